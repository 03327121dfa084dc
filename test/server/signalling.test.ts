/** One websocket from its opening to its close, and the close code. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { createNativeClient } from '../support/native-client.ts';
import { readOffer, writeOffer } from '../support/offers.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { openSocket, type SignallingSocket } from '../support/socket.ts';

const test = scenarios('signalling');

/** An offer that is answered and never connects, because its only candidates are names. */
const UNREACHABLE = readOffer('chromium-156-mdns');
const MAX_OFFER_BYTES = 8192;

const servers = new Map<'patient' | 'hasty', Promise<RunningServer>>();
/** Starts a server that accepts only short offers; the hasty one gives up after a second without a connection. */
function serve(kind: 'patient' | 'hasty' = 'patient'): Promise<RunningServer> {
  const limits = { MAX_OFFER_BYTES: String(MAX_OFFER_BYTES) };
  const server =
    servers.get(kind) ?? startServer(kind === 'hasty' ? { ...limits, CONNECT_TIMEOUT_MS: '1000' } : limits);
  servers.set(kind, server);
  return server;
}

let users = 0;
/** Opens a websocket for a user of its own. */
async function open(kind?: 'patient' | 'hasty'): Promise<SignallingSocket> {
  return openSocket((await serve(kind)).url, `user ${++users}`);
}

/** Fails unless the websocket closes with this code and a reason that fits its frame. */
async function closes({ closed }: SignallingSocket, code: number, reason: RegExp | string): Promise<void> {
  const close = await closed;
  is(close.code, code, close.reason);
  match(close.reason, reason);
  ok(Buffer.byteLength(close.reason) <= 123, close.reason);
}

test('a client that connects gets 1000', async () => {
  const clients = new ClientHost();
  const { url } = await serve();
  const client = await clients.connect(url, 'real');
  equal(client.close, { code: 1000, reason: 'connected' });
  await client.end();
  clients.kill();
});

test("the answer is one text frame with the server's candidates, and without ICE after it 4504 follows", async () => {
  const signal = await open('hasty');
  signal.socket.send(UNREACHABLE);
  const answer = await signal.next();
  match(answer, /^v=0\r\n/);
  match(answer, /\r\na=candidate:\w+ 1 UDP \d+ 127\.0\.0\.1 \d+ typ host\r\n/);
  match(answer, '\r\na=end-of-candidates\r\n');
  await closes(
    signal,
    4504,
    'not connected in time: no ICE check succeeded in 1000 ms: UDP is blocked, or the answer was rejected',
  );
  is(signal.messages.length, 1);
});

test('a binary frame ends with 1003', async () => {
  const signal = await open();
  signal.socket.send(Buffer.from(UNREACHABLE), { binary: true });
  await closes(signal, 1003, 'send a text frame');
  const late = await open();
  late.socket.send(UNREACHABLE);
  await late.next();
  late.socket.send(Buffer.from([0]), { binary: true });
  await closes(late, 1003, 'send a text frame');
});

test('a frame larger than MAX_OFFER_BYTES ends with 1009, one as large does not', async () => {
  const large = await open();
  large.socket.send(`v=0\r\n${'x'.repeat(MAX_OFFER_BYTES - 4)}`);
  is((await large.closed).code, 1009);
  const fitting = await open();
  const offer = writeOffer([{}]);
  fitting.socket.send(`${offer}a=x:${'x'.repeat(MAX_OFFER_BYTES - offer.length - 4)}`);
  match(await fitting.next(), /^v=0/);
  fitting.socket.send('x'.repeat(MAX_OFFER_BYTES + 1));
  is((await fitting.closed).code, 1009);
});

test('text that is not UTF-8 ends with 1007', async () => {
  const signal = await open();
  signal.socket.send(Buffer.from([0x76, 0x3d, 0xff, 0xfe]), { binary: false });
  is((await signal.closed).code, 1007);
});

test('a first message that is no SDP ends with 4400 and what should have been sent', async () => {
  const table: readonly (readonly [string, RegExp | string])[] = [
    ['', 'beginning with v=0'],
    ['hello', 'beginning with v=0'],
    ['candidate:1 1 udp 1 192.0.2.2 9 typ host', 'beginning with v=0'],
    [JSON.stringify({ type: 'offer', sdp: UNREACHABLE }), 'it is JSON'],
    ['v=0\r\n', 'no m-line'],
    ['v=0\r\nü\0\r\n', 'no m-line'],
    [UNREACHABLE.replace(/a=ice-pwd.*\r\n/, ''), 'a=ice-pwd'],
    [UNREACHABLE.replace(/a=fingerprint:sha-256 ..:/, 'a=fingerprint:sha-256 '), 'a=fingerprint'],
    [writeOffer(Array.from({ length: 33 }, () => ({ without: /^a=/ }))), '33 m-lines; 32 are allowed'],
  ];
  for (const [text, reason] of table) {
    const signal = await open();
    signal.socket.send(text);
    await closes(signal, 4400, reason);
    is(signal.messages.length, 0);
  }
});

test('an offer without usable audio ends with 4406 and the reason of each line', async () => {
  for (const offer of [writeOffer([{ media: 'video' }]), UNREACHABLE.replaceAll('opus', 'speex')]) {
    const signal = await open();
    signal.socket.send(offer);
    await closes(signal, 4406, /^no usable audio: .*m-line 0: /);
  }
});

test('a second offer ends with 4400, before the answer and after it', async () => {
  const signal = await open();
  signal.socket.send(UNREACHABLE);
  await signal.next();
  signal.socket.send(UNREACHABLE);
  await closes(signal, 4400, 'one offer a connection');
  const eager = await open();
  eager.socket.send(UNREACHABLE);
  eager.socket.send(UNREACHABLE);
  await closes(eager, 4400, 'one offer a connection');
});

test('a few messages that are not candidates are ignored, a flood of them ends with 4429', async () => {
  const signal = await open();
  signal.socket.send(UNREACHABLE);
  for (let i = 0; i < 8; i++) signal.socket.send(`noise ${i}`);
  match(await signal.next(), /^v=0/);
  signal.socket.send('noise');
  await closes(signal, 4429, 'too many messages: that are not candidates');
});

test('a flood of candidates ends with 4429, usable or not', async () => {
  for (const candidate of ['candidate:1 1 udp 1 127.0.0.1 9 typ host', 'candidate:1 1 tcp 1 127.0.0.1 9 typ host']) {
    const signal = await open();
    signal.socket.send(UNREACHABLE);
    for (let i = 0; i < 193; i++) signal.socket.send(candidate);
    await closes(signal, 4429, 'too many messages: more than any client has candidates');
  }
});

test('a flood of ends of candidates ends with 4429 as well', async () => {
  const signal = await open('hasty');
  signal.socket.send(UNREACHABLE);
  for (let i = 0; i < 2000; i++) signal.socket.send('');
  await closes(signal, 4429, 'too many messages');
});

test('a newer websocket of the same client ends the older one with 4409, another client of the user does not', async () => {
  const { url } = await serve();
  const first = await openSocket(url, 'twin', 'phone');
  first.socket.send(UNREACHABLE);
  await first.next();
  const other = await openSocket(url, 'twin', 'laptop');
  const second = await openSocket(url, 'twin', 'phone');
  await closes(first, 4409, /^replaced by a newer connection of the same client/);
  second.socket.send(UNREACHABLE);
  other.socket.send(UNREACHABLE);
  match(await second.next(), /^v=0/);
  match(await other.next(), /^v=0/);
  second.socket.terminate();
  other.socket.terminate();
});

for (const form of ['candidate lines', 'lines with a=', 'JSON'] as const) {
  test(`a client whose candidates trickle as ${form} connects`, async () => {
    const client = await createNativeClient(form);
    const signal = await open();
    ok(!client.offer.includes('a=candidate') && client.candidates.length > 0);
    signal.socket.send(client.offer);
    for (const candidate of client.candidates) {
      if (form === 'JSON') signal.socket.send(JSON.stringify({ candidate, sdpMid: '0', sdpMLineIndex: 0 }));
      else signal.socket.send(form === 'candidate lines' ? candidate : `a=${candidate}`);
    }
    signal.socket.send(form === 'JSON' ? 'null' : 'end-of-candidates');
    client.accept((await signal.next()).replace(/a=(candidate:.*|end-of-candidates)\r\n/g, ''));
    await client.becomes('connected');
    await closes(signal, 1000, 'connected');
    await client.close();
  });
}

test('a client whose certificate is not the one it announced gets 4502', async () => {
  const client = await createNativeClient('impostor');
  const signal = await open();
  const other = `a=fingerprint:sha-256 ${Array(32).fill('AB').join(':')}`;
  signal.socket.send(client.offer.replace(/a=fingerprint:.*(?=\r)/g, other));
  for (const candidate of client.candidates) signal.socket.send(candidate);
  client.accept(await signal.next());
  await closes(signal, 4502, /^ICE or DTLS failed/);
  await client.close();
});

const WRONG = `sha-256 ${Array(32).fill('AB').join(':')}`;
const RIGHT = (own: string): string => own;
for (const [name, list, connects] of [
  ['the right one and a wrong one', [RIGHT, () => WRONG], true],
  ['a wrong one and the right one', [() => WRONG, RIGHT], true],
  ['the right one in small letters and a wrong one', [(own: string) => own.toLowerCase(), () => WRONG], true],
  ['the right one and one of an unknown hash', [RIGHT, () => 'sha-999 AA:BB'], true],
  ['two wrong ones', [() => WRONG, () => WRONG.replaceAll('AB', 'CD')], false],
] as const) {
  test(`a client with ${name} ${connects ? 'connects' : 'gets 4502'} when it has several fingerprints`, async () => {
    const client = await createNativeClient('fingerprints');
    const signal = await open();
    const own = /^a=fingerprint:(.*)$/m.exec(client.offer)![1]!.trim();
    const lines = list.map((write) => `a=fingerprint:${write(own)}`).join('\r\n');
    signal.socket.send(client.offer.replace(/^a=fingerprint:.*(?=\r)/gm, lines));
    for (const candidate of client.candidates) signal.socket.send(candidate);
    client.accept(await signal.next());
    if (connects) await closes(signal, 1000, 'connected');
    else await closes(signal, 4502, /^ICE or DTLS failed: the certificate has none of the fingerprints/);
    await client.close();
  });
}

test('after all of this the servers stop with code 0 and have logged no error', async () => {
  for (const server of await Promise.all(servers.values())) {
    is(await server.stop(), 0);
    equal(
      server.logs.filter((line) => JSON.parse(line).level >= 50),
      [],
    );
  }
});

test.run();
