/** The candidates for clients, which the server logs at start. */
import { equal, is, match, ok } from 'uvu/assert';
import { readConfig } from '../../src/main/config.ts';
import { isPrivate } from '../../src/main/ip-address.ts';
import { createLog } from '../../src/main/log/log.ts';
import { peersClosed } from '../../src/main/media/peer.ts';
import { MediaPorts } from '../../src/main/media/ports.ts';
import { tellCandidates } from '../../src/main/operations/announced-candidates.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, type RunningServer, startServer } from '../support/server.ts';
import { startStunServer } from '../support/stun-server.ts';

const test = scenarios('reach');

const TOLD = 'clients will get these candidates';
const WARNING = 'every candidate is private';

/** Starts a server, waits for its candidates, and stops it. @returns the candidates and the warnings after them. */
async function told(env: Record<string, string>): Promise<{ candidates: string[]; warnings: string[] }> {
  const server = await startServer(env);
  const line = await server.logged(TOLD);
  return { candidates: JSON.parse(line).candidates, warnings: await warningsOf(server) };
}

async function warningsOf(server: RunningServer): Promise<string[]> {
  is(await server.stop(), 0);
  const lines = server.logs.map((line) => JSON.parse(line));
  equal(
    lines.filter(({ level }) => level > 40),
    [],
  );
  return lines.filter(({ level }) => level === 40).map(({ msg }) => msg);
}

const PRIVATE = [
  ...['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
  ...['100.64.0.0', '100.127.255.255', '169.254.0.0', '169.254.255.255', '127.0.0.1', '127.255.255.255', '0.0.0.0'],
  ...['::', '::1', 'fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe80::', 'febf:ffff::1', 'fec0::1', 'FD00::1'],
  ...['::ffff:10.0.0.1', '::ffff:127.0.0.1', '::ffff:c0a8:1'],
];
const PUBLIC = [
  ...['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0'],
  ...['100.63.255.255', '100.128.0.0', '169.253.255.255', '169.255.0.0', '126.255.255.255', '128.0.0.0'],
  ...['1.1.1.1', '255.1.1.1', '::2', 'fbff::1', 'fe00::1', 'fe7f:ffff::1', '2001:db8::1', '2606:4700::1', 'ff02::1'],
  ...['::ffff:1.1.1.1', '64:ff9b::a00:1'],
];

test('private are loopback, link-local, RFC 1918, RFC 4193 and RFC 6598, to the last address, and no others', () => {
  for (const address of PRIVATE) is(isPrivate(address), true, address);
  for (const address of PUBLIC) is(isPrivate(address), false, address);
});

test('the server logs its candidates once it listens, with a warning where all are private', async () => {
  const server = await startServer();
  const { candidates, mediaPorts } = JSON.parse(await server.logged(TOLD));
  equal(candidates, [`127.0.0.1:${mediaPorts[0]} host`]);
  const warnings = await warningsOf(server);
  is(warnings.length, 1);
  match(warnings[0]!, WARNING);
  match(warnings[0]!, 'set ANNOUNCED_ADDRESS to the public address');
  const messages = server.logs.map((line) => JSON.parse(line).msg as string);
  const of = (text: string): number => messages.findIndex((message) => message.startsWith(text));
  ok(of('listening') < of(TOLD) && of(TOLD) < of(WARNING));
});

test('announced addresses replace the host’s, and cause no warning', async () => {
  const { candidates, warnings } = await told({ ANNOUNCED_ADDRESS: '203.0.113.7,2001:db8::7' });
  const shown = candidates.map((candidate) => candidate.replace(/:\d+ /, ':port '));
  equal(shown, ['203.0.113.7:port host', '[2001:db8::7]:port host']);
  equal(warnings, []);
});

test('an announced private address causes no warning', async () => {
  equal((await told({ ANNOUNCED_ADDRESS: '10.1.2.3' })).warnings, []);
});

test('an address that a STUN server sees counts', async () => {
  const stun = await startStunServer('203.0.113.9');
  const { candidates, warnings } = await told({ ICE_SERVERS: stun.url, GATHER_TIMEOUT_MS: '10000' });
  is(candidates.length, 2);
  match(candidates[0]!, /^127\.0\.0\.1:\d+ host$/);
  match(candidates[1]!, /^203\.0\.113\.9:\d+ srflx$/);
  equal(warnings, []);
  stun.close();
});

test('a STUN server that does not answer delays neither the server nor, beyond the deadline, the log', async () => {
  const stun = await startStunServer(null);
  const server = await startServer({ ICE_SERVERS: stun.url, GATHER_TIMEOUT_MS: '2500' });
  await stun.asked;
  const { candidates, time } = JSON.parse(await server.logged(TOLD));
  equal(candidates.length, 1);
  ok(time - JSON.parse(await server.logged('"msg":"listening"')).time > 1500, 'it listened before');
  match((await warningsOf(server))[0]!, WARNING);
  stun.close();
});

test('a server that ends meanwhile ends at once, with code 0 and without a word about candidates', async () => {
  const stun = await startStunServer(null);
  const server = await startServer({ ICE_SERVERS: stun.url, GATHER_TIMEOUT_MS: '60000' });
  await stun.asked;
  equal(await warningsOf(server), []);
  ok(!server.logs.some((line) => line.includes(TOLD)));
  stun.close();
});

test('a peer that nobody has closed is closed at the end', async () => {
  const stun = await startStunServer(null);
  // A deadline longer than the scenario's.
  const given = { MEDIA_BIND: '127.0.0.1', ICE_SERVERS: stun.url, MEDIA_PORTS: String(await freeUdpPort()) };
  const config = { ...readConfig(given), GATHER_TIMEOUT_MS: 600_000 };
  const ports = await MediaPorts.open(config);
  tellCandidates(config, ports, createLog('silent'));
  await stun.asked;
  await peersClosed(600_000);
  ports.close();
  stun.close();
});

test.run();
