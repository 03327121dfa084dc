import { equal, is, match, ok } from 'uvu/assert';
import {
  announce,
  offeredCandidates,
  type RemoteCandidate,
  readCandidate,
  readTrickled,
} from '../../../src/main/sdp/candidates.ts';
import { readOffer } from '../../support/offers.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('candidates');

const HOST = 'candidate:1 1 udp 2122194687 192.0.2.2 48267 typ host';
const USABLE_HOST = 'candidate:1 1 UDP 2122194687 192.0.2.2 48267 typ host';
const ZEROS = ' raddr 0.0.0.0 rport 0';
const LONG = 'x'.repeat(33);

/** Lines that are usable, and what goes on to the library. */
const USABLE: readonly (readonly [line: string, candidate: string])[] = [
  [HOST, USABLE_HOST],
  [`a=${HOST}`, USABLE_HOST],
  [`  ${HOST}\r\n`, USABLE_HOST],
  ['CANDIDATE:1 1 Udp 2122194687 192.0.2.2 48267 TYP HOST', USABLE_HOST],
  [`${HOST} generation 0 network-id 3 network-cost 50 ufrag v8TL`, USABLE_HOST],
  [`${HOST} tcptype passive`, USABLE_HOST],
  ['candidate:a+/Z9 1 udp 0 192.0.2.2 1 typ host', 'candidate:a+/Z9 1 UDP 0 192.0.2.2 1 typ host'],
  ['candidate:1 1 udp 4294967295 192.0.2.2 65535 typ host', 'candidate:1 1 UDP 4294967295 192.0.2.2 65535 typ host'],
  ['candidate:1 1 udp 1 2001:db8::7 9000 typ host', 'candidate:1 1 UDP 1 2001:db8::7 9000 typ host'],
  ['candidate:1 1 udp 1 ::ffff:192.0.2.2 9 typ host', 'candidate:1 1 UDP 1 ::ffff:192.0.2.2 9 typ host'],
  [
    'candidate:8 1 udp 1677729535 203.0.113.7 61015 typ srflx raddr 192.0.2.87 rport 61015 generation 0',
    `candidate:8 1 UDP 1677729535 203.0.113.7 61015 typ srflx${ZEROS}`,
  ],
  ['candidate:8 1 udp 1 203.0.113.7 61015 typ srflx', `candidate:8 1 UDP 1 203.0.113.7 61015 typ srflx${ZEROS}`],
  ['candidate:8 1 udp 1 203.0.113.7 61015 typ prflx', `candidate:8 1 UDP 1 203.0.113.7 61015 typ prflx${ZEROS}`],
  ['candidate:8 1 udp 1 203.0.113.7 61015 typ relay', `candidate:8 1 UDP 1 203.0.113.7 61015 typ relay${ZEROS}`],
];

/** Rightly formed, and of no use to a server that takes UDP from addresses. */
const UNUSABLE: readonly string[] = [
  'candidate:1 1 tcp 1518214911 192.0.2.2 9 typ host tcptype active',
  'candidate:1 1 TCP 1518214911 192.0.2.2 9 typ host',
  'candidate:1 2 udp 2122194686 192.0.2.2 48268 typ host',
  'candidate:1 0 udp 2122194686 192.0.2.2 48268 typ host',
  'candidate:1 256 udp 2122194686 192.0.2.2 48268 typ host',
  'candidate:1 1 udp 2113937151 4f1b9c0e-3d2a-4c6b-9d3e-1a2b3c4d5e6f.local 51234 typ host',
  'candidate:1 1 udp 1 voice.example.org 9000 typ host',
  'candidate:1 1 udp 1 localhost 9000 typ host',
  'candidate:1 1 udp 1 192.0.2 9000 typ host',
  'candidate:1 1 udp 1 [2001:db8::7] 9000 typ host',
  'candidate:1 1 udp 1 192.0.2.2:9 9000 typ host',
  'candidate:1 1 udp 1 192.0.2.2 0 typ host',
  `candidate:1 1 udp 1 ${'a'.repeat(255)} 9000 typ host`,
];

const MALFORMED: readonly string[] = [
  'candidate:',
  'candidate',
  'hello',
  'v=0',
  '[]',
  '"candidate"',
  'candidate:1 1 udp 1 192.0.2.2',
  'candidate:1 1 udp 1 192.0.2.2 9000',
  'candidate:1 1 udp 1 192.0.2.2 9000 typ',
  'candidate:1 1 udp 1 192.0.2.2 9000 typ hostile',
  'candidate:1 1 udp 1 192.0.2.2 9000 typ unknown',
  'candidate:1 1 udp 1 192.0.2.2 9000 host',
  'candidate:1 1 udp 1 192.0.2.2 65536 typ host',
  'candidate:1 1 udp 1 192.0.2.2 -1 typ host',
  'candidate:1 1 udp 1 192.0.2.2 x typ host',
  'candidate:1 1 udp 4294967296 192.0.2.2 9000 typ host',
  'candidate:1 1 udp 99999999999 192.0.2.2 9000 typ host',
  'candidate:1 1 udp -1 192.0.2.2 9000 typ host',
  'candidate:1 1 udp 1.5 192.0.2.2 9000 typ host',
  'candidate:1 1000 udp 1 192.0.2.2 9000 typ host',
  'candidate:1 x udp 1 192.0.2.2 9000 typ host',
  'candidate:1 1 sctp 1 192.0.2.2 9000 typ host',
  'candidate:1 1 udp6 1 192.0.2.2 9000 typ host',
  'candidate: 1 udp 1 192.0.2.2 9000 typ host',
  'candidate:1  1 udp 1 192.0.2.2 9000 typ host',
  `candidate:${LONG} 1 udp 1 192.0.2.2 9000 typ host`,
  'candidate:é 1 udp 1 192.0.2.2 9000 typ host',
  'xcandidate:1 1 udp 1 192.0.2.2 9000 typ host',
  'a=a=candidate:1 1 udp 1 192.0.2.2 9000 typ host',
  `candidate:1 1 udp 1 ${'a'.repeat(256)} 9000 typ host`,
  `${HOST} ${'generation 0 '.repeat(60)}`,
  `x\r\n${HOST}`,
];

/** Attempts to smuggle a line of one's own past the reader. */
const INJECTIONS: readonly string[] = [
  `${HOST}\r\na=setup:active`,
  `${HOST}\na=ice-ufrag:evil`,
  `${HOST}\u2028a=ice-ufrag:evil`,
  `${HOST}\0a=ice-ufrag:evil`,
  'candidate:1\r\n 1 udp 1 192.0.2.2 9000 typ host',
  'candidate:1 1 udp 1 192.0.2.2\r\na=x 9000 typ host',
  'candidate:1 1 udp 1 192.0.2.2 9000 typ srflx raddr x\r\na=ice-ufrag:evil rport 1',
  'candidate:1 1 udp\t1 192.0.2.2 9000 typ host',
];

/** All that may ever reach the library. */
const CLEAN =
  /^candidate:[\w+/]{1,32} 1 UDP \d{1,10} [\da-fA-F:.]+ \d{1,5} typ (host|(srflx|prflx|relay) raddr 0\.0\.0\.0 rport 0)$/;

function isCleanOrNothing(read: RemoteCandidate, line: string): void {
  if (read.kind === 'usable') match(read.candidate, CLEAN, JSON.stringify(line));
}

test('usable candidates are written anew from their checked fields', () => {
  for (const [line, candidate] of USABLE) {
    equal(readCandidate(line), { kind: 'usable', candidate }, line);
    equal(readTrickled(line), { kind: 'usable', candidate }, line);
    isCleanOrNothing(readCandidate(line), line);
  }
});

test('TCP, other components, port 0 and names are unusable: no name is ever resolved', () => {
  for (const line of UNUSABLE) equal(readCandidate(line), { kind: 'unusable' }, line);
});

test('whatever else is no candidate is malformed', () => {
  for (const line of MALFORMED) equal(readCandidate(line), { kind: 'malformed' }, line);
});

test('an empty text and end-of-candidates are the end', () => {
  for (const line of ['', ' ', '\r\n', 'a=', 'end-of-candidates', 'a=end-of-candidates', 'a=end-of-candidates\r\n']) {
    equal(readCandidate(line), { kind: 'end' }, line);
    equal(readTrickled(line), { kind: 'end' }, line);
  }
});

test('nothing can be smuggled in by line ends, zeros or separators', () => {
  for (const line of INJECTIONS) {
    isCleanOrNothing(readCandidate(line), line);
    isCleanOrNothing(readTrickled(line), line);
    isCleanOrNothing(readTrickled(JSON.stringify({ candidate: line })), line);
  }
});

test("an address with a zone is of another machine's interfaces, and not handed on", () => {
  equal(readCandidate('candidate:1 1 udp 1 fe80::1%eth0 9000 typ host'), { kind: 'unusable' });
});

test('the JSON of an RTCIceCandidateInit is read like its candidate', () => {
  const usable: RemoteCandidate = { kind: 'usable', candidate: USABLE_HOST };
  const init = { candidate: HOST, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: 'v8TL' };
  const end: RemoteCandidate = { kind: 'end' };
  const malformed: RemoteCandidate = { kind: 'malformed' };
  const table: readonly (readonly [message: string, read: RemoteCandidate])[] = [
    [JSON.stringify(init), usable],
    [JSON.stringify(init, null, 2), usable],
    [` \n${JSON.stringify({ candidate: `a=${HOST}` })}`, usable],
    [JSON.stringify({ candidate: UNUSABLE[0] }), { kind: 'unusable' }],
    [JSON.stringify({ candidate: '' }), end],
    [JSON.stringify({ candidate: null }), end],
    ['{}', end],
    ['null', end],
    [' null ', end],
    ['nul', malformed],
    ['nullx', malformed],
    ['{', malformed],
    [`{"candidate":"${HOST}"`, malformed],
    [JSON.stringify({ candidate: 5 }), malformed],
    [JSON.stringify({ candidate: [HOST] }), malformed],
    [JSON.stringify({ candidate: { candidate: HOST } }), malformed],
    [JSON.stringify({ candidate: 'hello' }), malformed],
    [JSON.stringify([init]), malformed],
    [JSON.stringify(HOST), malformed],
  ];
  for (const [message, read] of table) equal(readTrickled(message), read, message);
});

test('thousands of mutated candidates give only what is clean', () => {
  const random = prng(seed('mutated candidates'));
  const parts = ['\r\n', ' ', '%', ':', '\0', 'host', 'raddr', '\u2028', '-', 'a=', '9'.repeat(20), 'é', '\t'];
  for (let i = 0; i < 20_000; i++) {
    let line = USABLE[random() % USABLE.length]![0];
    for (let changes = 1 + (random() % 3); changes > 0; changes--) {
      const at = random() % (line.length + 1);
      line = line.slice(0, at) + parts[random() % parts.length] + line.slice(at + (random() % 3));
    }
    for (const read of [readCandidate(line), readTrickled(line), readTrickled(JSON.stringify({ candidate: line }))]) {
      isCleanOrNothing(read, line);
    }
  }
});

test('the candidates of a real offer are found, in their order', () => {
  const lines = offeredCandidates(readOffer('chromium-156-sendrecv'));
  is(lines.length, 8);
  const kinds = lines.map((line) => readCandidate(line).kind);
  equal(kinds, [...Array(4).fill('usable'), ...Array(4).fill('unusable')]);
});

test('an mDNS offer has no usable candidate', () => {
  for (const name of ['chromium-156-mdns', 'firefox-153-mdns']) {
    const kinds = new Set(offeredCandidates(readOffer(name)).map((line) => readCandidate(line).kind));
    equal([...kinds], ['unusable'], name);
  }
});

const GATHERED = [
  'candidate:1 1 UDP 2114977791 127.0.0.1 40000 typ host',
  'candidate:2 1 UDP 2114977535 fd00::2 40000 typ host',
  'candidate:3 1 UDP 1678767871 198.51.100.9 40000 typ srflx raddr 0.0.0.0 rport 0',
  'candidate:4 1 TCP 1509957375 127.0.0.1 9 typ host tcptype active',
];

test('without announced addresses the gathered UDP candidates stand as they are', () => {
  equal(announce(GATHERED, []), GATHERED.slice(0, 3));
  equal(announce([], []), []);
});

test('announced addresses replace the host candidates and keep the reflexive ones', () => {
  const [v4, v6, srflx, ...more] = announce(GATHERED, ['203.0.113.7', '2001:db8::7']);
  match(v4!, /^candidate:\w+ 1 UDP \d+ 203\.0\.113\.7 40000 typ host$/);
  match(v6!, /^candidate:\w+ 1 UDP \d+ 2001:db8::7 40000 typ host$/);
  is(srflx, GATHERED[2]);
  equal(more, []);
});

test('announced addresses have priorities of hosts, each its own, IPv6 before IPv4, then in the order given', () => {
  const announced = ['203.0.113.7', '203.0.113.8', '2001:db8::7', '2001:db8::8'];
  const fields = announce(GATHERED.slice(0, 1), announced).map((line) => line.split(' '));
  const priorities = new Map(fields.map((field) => [field[4]!, Number(field[3])]));
  const order = [...priorities].sort(([, a], [, b]) => b - a).map(([address]) => address);
  equal(order, ['2001:db8::7', '2001:db8::8', '203.0.113.7', '203.0.113.8']);
  is(new Set(priorities.values()).size, 4);
  for (const priority of priorities.values()) ok(priority >>> 24 === 126 && priority < 2 ** 31, String(priority));
  is(new Set(fields.map((field) => field[0])).size, 4, 'foundations differ, for the addresses do');
});

test('each announced address stands with each port, once', () => {
  const gathered = [...GATHERED, 'candidate:5 1 UDP 2114977791 127.0.0.1 40001 typ host'];
  const ends = announce(gathered, ['203.0.113.7', '2001:db8::7'])
    .filter((line) => line.endsWith('typ host'))
    .map((line) => line.split(' ').slice(4, 6).join(' '))
    .sort();
  equal(ends, ['2001:db8::7 40000', '2001:db8::7 40001', '203.0.113.7 40000', '203.0.113.7 40001']);
});

test('what is announced is a candidate that the server itself would take', () => {
  for (const line of announce(GATHERED, ['203.0.113.7', '2001:db8::7'])) is(readCandidate(line).kind, 'usable', line);
});

test.run();
