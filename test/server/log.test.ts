/** The log of a connection's life, and what no log line may contain. */
import { spawnSync } from 'node:child_process';
import { equal, is, match, ok } from 'uvu/assert';
import { describeError } from '../../src/main/log/redact.ts';
import { ClientHost } from '../support/client.ts';
import { readOffer, writeOffer } from '../support/offers.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const test = scenarios('log');

type Line = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

/** Fields of every line about a connection. */
const WHO = ['connection', 'userid', 'clientid', 'conversation'];

test('every event in the life of a connection is one line that says which client, where and why', async () => {
  const server = await startServer();
  const host = new ClientHost();
  const join = (user: string, room: string, method = 'POST'): Promise<Response> =>
    fetch(`${server.url}/join/${room}`, { method, headers: claimHeader(user) });
  const ann = await host.connect(server.url, 'ann');
  const ben = await host.connect(server.url, 'ben');
  await join('ann', 'kitchen');
  await join('ann', 'kitchen');
  await join('ben', 'garden');
  await join('ben', 'kitchen');
  await ann.talk();
  await ben.receives(({ length }) => length >= 20);
  const room = encodeURIComponent('kitchen');
  await join('ben', room, 'DELETE');
  await join('ben', room, 'DELETE');
  await join('ben', room);
  const kick = `${server.adminUrl}/conversations/kitchen/users/ben/kick`;
  is((await fetch(kick, { method: 'POST' })).status, 200);
  const newer = await host.connect(server.url, 'ann');
  await server.logged('"reason":"replaced"');
  await newer.end();
  await server.logged('"reason":"gone"', '"userid":"ann"');
  is(await server.stop(), 0);
  const lines = server.logs.map((line) => JSON.parse(line) as Line);
  const life = (user: string): string[] =>
    lines
      .filter(({ msg, userid }) => msg.startsWith('connection ') && userid === user)
      .map((line) => {
        is(line.level, 30);
        for (const field of WHO) ok(field in line, `${field} in ${JSON.stringify(line)}`);
        const { msg, conversation, from, reason } = line;
        return [msg, from, conversation, reason].filter((part) => part !== undefined).join(', ');
      });
  equal(life('ann'), [
    'connection established, ',
    'connection joined, kitchen, request',
    'connection ended, kitchen, replaced',
    'connection established, kitchen',
    'connection ended, kitchen, gone',
  ]);
  equal(life('ben'), [
    'connection established, ',
    'connection joined, garden, request',
    'connection moved, garden, kitchen, request',
    'connection left, kitchen, request',
    'connection joined, kitchen, request',
    'connection left, kitchen, kicked',
    'connection ended, , draining',
  ]);
  const ended = lines.filter(({ msg }) => msg === 'connection ended');
  for (const line of ended) {
    ok(typeof line['seconds'] === 'number' && line['seconds'] > 0);
    ok(!('cause' in line), 'it was established');
  }
  ok((ended.find(({ userid }) => userid === 'ann')!['packetsReceived'] as number) >= 20);
  ok((ended.find(({ userid }) => userid === 'ben')!['packetsSent'] as number) >= 20);
  is(ended.find(({ userid }) => userid === 'ben')!['packetsReceived'], 0);
  host.kill();
}, 30);

/** Requests with a token in every possible place; `H` stands for the host and the claim. */
const HOSTILE: readonly string[] = [
  `GET /connect?token=SECRET HTTP/1.1\r\nH${HANDSHAKE}\r\n`,
  `GET /connect?token=SECRET HTTP/1.1\r\nHost: x\r\nReferer: http://x/?token=SECRET\r\n${HANDSHAKE}\r\n`,
  'GET /connect?token=SECRET HTTP/1.1\r\nH\r\n',
  `GET /connect?token=SECRET HTTP/1.1\r\nH${HANDSHAKE.replace('Version: 13', 'Version: SECRET')}\r\n`,
  `GET http://x/connect?token=SECRET HTTP/1.1\r\nH${HANDSHAKE.replace('Version: 13', 'Version: 9')}\r\n`,
  `GET /elsewhere?token=SECRET HTTP/1.1\r\nH${HANDSHAKE}\r\n`,
  `GET /connect/?token=SECRET HTTP/1.1\r\nH${HANDSHAKE}\r\n`,
  'POST /join/room?token=SECRET HTTP/1.1\r\nH\r\n',
  'DELETE /join/room?token=SECRET HTTP/1.1\r\nH\r\n',
  'POST /join/room?token=SECRET HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /join/?token=SECRET HTTP/1.1\r\nH\r\n',
  'POST /join/%zz?token=SECRET HTTP/1.1\r\nH\r\n',
  'POST /join/%E0%A4?token=SECRET HTTP/1.1\r\nH\r\n',
  'POST /join/room?%zztoken=SECRET HTTP/1.1\r\nH\r\n',
  `POST /join/${'x'.repeat(300)}?token=SECRET HTTP/1.1\r\nH\r\n`,
  'GET /%zz?token=SECRET HTTP/1.1\r\nH\r\n',
  'GET /nowhere?token=SECRET HTTP/1.1\r\nH\r\n',
  'GET http://x/nowhere?token=SECRET HTTP/1.1\r\nH\r\n',
  'GET http://x/%zz?token=SECRET HTTP/1.1\r\nH\r\n',
  'GET ?token=SECRET HTTP/1.1\r\nH\r\n',
  'GET //?token=SECRET HTTP/1.1\r\nH\r\n',
  'OPTIONS *?token=SECRET HTTP/1.1\r\nH\r\n',
  'PUT /connect?token=SECRET HTTP/1.1\r\nHReferer: https://x/?token=SECRET\r\nCookie: token=SECRET\r\n\r\n',
  'GET /connect?token=SECRET\r\n\r\n',
  'GET /connect?token=SECRET HTTP/1.1\r\nbroken header token=SECRET\r\n\r\n',
  'GET /connect?token=SECRET HTTP/1.1\r\nHAuthorization: Bearer SECRET\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
];

test('a token is in no line of the log at any level, and in no answer', async () => {
  const server = await startServer({ LOG_LEVEL: 'trace' });
  for (const [i, request] of HOSTILE.entries()) {
    const claim = `X-User-Claim: ${claimHeader(`user ${i}`)['X-User-Claim']}`;
    const text = request.replace('\r\nH', `\r\nHost: x\r\nConnection: close\r\n${claim}\r\n`);
    const upgrade = /websocket|h2c/i.test(request) ? text.replace('Connection: close\r\n', '') : text;
    for (const port of [server.port, Number(new URL(server.adminUrl).port)]) {
      const answer = await exchange(port, upgrade, /\r\n\r\n[\s\S]*(\}|upgrade|^$)|101 Switching|HTTP\/1.1 4|200 OK/);
      ok(!answer.includes('SECRET'), `${request}\n${answer}`);
    }
  }
  const socket = await openSocket(`${server.url}`, 'SDP', 'client', {
    headers: { ...claimHeader('sdp'), Referer: '?token=SECRET' },
  });
  socket.socket.send('v=0\r\na=SECRETIVE\r\n');
  await socket.closed;
  is(await server.stop(), 0);
  ok(server.logs.length > 5);
  for (const line of server.logs) ok(!/SECRET(?!IVE)/.test(line), line);
}, 60);

/** What only the debug level may log: lines of SDP, candidates, fingerprints, addresses of clients. */
const PRIVATE =
  /\ba=[a-z]|\bm=audio|candidate:|ice-(?:ufrag|pwd)|fingerprint|192\.0\.2\.|203\.0\.113|2001:db8|\bSPOILT\b/;

test('SDP and addresses are in no line from info on, and are there at debug', async () => {
  const server = await startServer({ LOG_LEVEL: 'trace', CONNECT_TIMEOUT_MS: '500' });
  const offer = readOffer('chromium-156-sendrecv');
  const spoilt: readonly string[] = [
    'SPOILT a=mid:SPOILT',
    offer.replace(/a=ice-pwd:/g, 'a=ice-pwd:SPOILT !'),
    offer.replace(/a=setup:.*/g, 'a=setup:SPOILT'),
    offer.replace(/a=fingerprint:.*/g, 'a=fingerprint:SPOILT'),
    offer.replaceAll('opus', 'SPOILT'),
    writeOffer([{ mid: 'SPOILT' }, { mid: 'SPOILT' }]),
    writeOffer([{ media: 'video', mid: 'SPOILT' }]),
    writeOffer([{ more: ['a=candidate:1 1 udp 1 192.0.2.7 9 typ host', 'a=candidate:SPOILT'] }]),
    offer.replace(/a=ice-ufrag:.*/g, 'a=ice-ufrag:abcd').replace(/IN IP4 .*/g, 'IN IP4 192.0.2.9'),
    JSON.stringify({ type: 'offer', sdp: 'SPOILT' }),
  ];
  for (const [i, text] of spoilt.entries()) {
    const { socket, closed } = await openSocket(server.url, `user ${i}`);
    socket.send(text);
    socket.send('candidate:1 1 udp 1 203.0.113.9 9 typ host');
    socket.send('candidate:SPOILT');
    await closed;
  }
  const host = new ClientHost();
  const client = await host.connect(server.url, 'real');
  is(client.close.code, 1000);
  await client.end();
  await server.logged('"userid":"real"', '"connection ended"');
  is(await server.stop(), 0);
  host.kill();
  const lines = server.logs.map((line) => JSON.parse(line) as Line);
  // At start the server logs its own addresses, which the operator knows.
  const ofStart = (msg: string): boolean => msg === 'listening' || msg.startsWith('clients will get ');
  for (const line of lines.filter(({ level, msg }) => level >= 30 && !ofStart(msg))) {
    const text = JSON.stringify(line);
    ok(!PRIVATE.test(text), text);
    ok(!/\d+\.\d+\.\d+\.\d+/.test(text), text);
  }
  is(lines.filter(({ msg, cause }) => msg === 'connection ended' && cause === 'bad-sdp').length >= 5, true);
  ok(lines.some(({ level, msg, detail }) => level === 20 && msg === 'offer refused' && /a=setup/.test(String(detail))));
  ok(lines.some(({ level, msg }) => level === 20 && msg === 'offer'));
}, 40);

test('an error is logged without its own properties, queries, SDP and addresses', () => {
  const cause = new Error('connect ECONNREFUSED 10.1.2.3:80 and [2001:db8::1]:80, fe80::1%eth0 or ::1');
  const error = Object.assign(
    new Error('GET /connect?token=SECRET failed: "a=candidate:1 1 udp 1 10.0.0.1 9 typ host"'),
    {
      code: 'E_BAD',
      rawPacket: Buffer.from('SECRET'),
      headers: { authorization: 'SECRET' },
      cause,
    },
  );
  const text = JSON.stringify(describeError(error));
  ok(!/SECRET|10\.1\.2\.3|10\.0\.0\.1|2001|fe80|::1|candidate/.test(text), text);
  match(text, 'connect ECONNREFUSED (address):80');
  match(text, '"code":"E_BAD"');
  match(text, /log\.test\.js:\d+:\d+/, 'where it was thrown stays');
  equal(describeError('a=mid:1'), '(SDP)');
  equal(describeError({ token: 'SECRET' }), 'a thrown object');
  const circle = new Error('round');
  circle.cause = circle;
  ok(JSON.stringify(describeError(circle)).length < 20_000);
  const line = 'setRemoteDescription: v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0';
  ok(!PRIVATE.test(JSON.stringify(describeError(new Error(line)))));
  equal((describeError(new TypeError('x is not a function')) as { message: string }).message, 'x is not a function');
});

for (const reads of [true, false]) {
  const end = reads ? 'says so to whoever reads again' : 'ends when it is told to';
  test(`a service whose log nobody reads goes on, counts the lines that are lost, and ${end}`, async () => {
    const server = await startServer({ DRAIN_TIMEOUT_MS: '0', SHUTDOWN_TIMEOUT_MS: '20000' });
    const { stdout } = server.process;
    stdout!.pause();
    const lost = async (): Promise<number> => {
      const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
      return Number(/^sfu_log_lines_lost_total (\d+)$/m.exec(text)![1]);
    };
    is(await lost(), 0);
    // The lines are long, because the pipe and the buffers hold megabytes.
    const room = encodeURIComponent('長'.repeat(250));
    const join = async (user: string, into = ''): Promise<void> => {
      const answer = await fetch(`${server.url}/join/${room}${into}`, { method: 'POST', headers: claimHeader(user) });
      is(answer.status, 200);
    };
    for (let i = 0; (await lost()) === 0; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, k) => join(`user ${i + k}`, `${i}`)));
    }
    const before = await lost();
    if (reads) {
      stdout!.resume();
      await server.logged('nobody read the log: lines are lost');
      const line = server.logs.find((text) => text.includes('nobody read'))!;
      equal([JSON.parse(line).level, JSON.parse(line).lines >= before], [40, true]);
      await join('zoe');
      await server.logged('"userid":"zoe"');
    }
    is(await server.stop(), 0);
    if (reads) match(server.logs.at(-1)!, /"msg":"stopped"/);
  }, 60);
}

/** Returns the log of a process whose standard output claims to be a terminal. @param prelude code that runs before. */
function onTerminal(prelude: string): string {
  const module = new URL('../../src/main/log/log.js', import.meta.url).href;
  const script = `process.stdout.isTTY = true; ${prelude}
    import(${JSON.stringify(module)}).then(({ createLog }) => createLog('info').info({ a: 1 }, 'hello'));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  is(status, 0, stderr);
  return stdout;
}

test('on a terminal log lines are formatted for people, and JSON where the package for that is not installed', () => {
  match(onTerminal(''), /^\[[\d:.]+\] INFO: hello\n {4}a: 1\n$/);
  const without = `
    const module = require('node:module');
    const resolve = module._resolveFilename;
    module._resolveFilename = (name, ...rest) => {
      if (name === 'pino-pretty') throw Object.assign(new Error('missing'), { code: 'MODULE_NOT_FOUND' });
      return resolve.call(module, name, ...rest);
    };`;
  const { msg, a } = JSON.parse(onTerminal(without));
  equal([msg, a], ['hello', 1]);
});

test.run();
