/** What coturn, with the configuration in `deploy/`, gives to whom, and what it refuses. */
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { equal, is, match, ok } from 'uvu/assert';
import { Coturn, type CoturnOptions, TURN_SECRET, withCoturn } from '../support/coturn.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer } from '../support/server.ts';
import { type Credentials, Protocol, TurnClient, turnCredentials } from '../support/turn-client.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('turn');
const START = fileURLToPath(new URL('../../../deploy/coturn/start.sh', import.meta.url));
const in10Minutes = (): number => Math.floor(Date.now() / 1000) + 600;

/** Runs a scenario with a coturn, and clients of it that are closed at the end. */
function scenario(
  name: string,
  body: (coturn: Coturn, open: (who: Credentials) => Promise<TurnClient>) => Promise<void>,
  options: CoturnOptions = {},
): void {
  withCoturn(test, name, async () => {
    const coturn = await Coturn.start(options);
    const clients: TurnClient[] = [];
    const open = async (who: Credentials): Promise<TurnClient> => {
      const client = await TurnClient.open(coturn, who);
      clients.push(client);
      return client;
    };
    try {
      await body(coturn, open);
    } finally {
      for (const client of clients) client.close();
      await coturn.stop();
    }
  });
}

/** Opens a socket that collects what it gets. */
async function peer(address: string): Promise<{ socket: Socket; got: string[]; port: number }> {
  const socket = createSocket('udp4').bind(0, address);
  await once(socket, 'listening');
  const got: string[] = [];
  socket.on('message', (bytes) => void got.push(String(bytes)));
  return { socket, got, port: socket.address().port };
}

scenario('credentials of GET /ice give a relay to the address of the media ports', async (coturn, open) => {
  const server = await startServer(coturn.variables('udp', 'tcp'));
  const asked = await fetch(`${server.url}/ice`, { headers: claimHeader('ann') });
  const { iceServers } = (await asked.json()) as { iceServers: (Credentials & { urls: string[] })[] };
  equal(iceServers[0]!.urls, [coturn.url('udp'), coturn.url('tcp')]);
  const client = await open(iceServers[0]!);
  is(await client.allocate(), 0);
  is(await client.permit('127.0.0.1'), 0);
  const { socket, got, port } = await peer('127.0.0.1');
  await until('the relay sends', () => {
    client.send({ address: '127.0.0.1', port }, Buffer.from('hello'));
    return got.length > 0;
  });
  is(got[0], 'hello');
  socket.close();
  server.process.kill('SIGKILL');
});

scenario('wrong, changed and expired credentials are refused', async (_, open) => {
  const now = Math.floor(Date.now() / 1000);
  const good = turnCredentials(TURN_SECRET, now + 600);
  const cases: Record<string, Credentials> = {
    'another secret': turnCredentials('another-secret-of-tests', now + 600),
    'another user': { ...good, username: good.username.replace('ann', 'bob') },
    'a later expiry': { ...good, username: `${now + 6000}:ann` },
    expired: turnCredentials(TURN_SECRET, now - 1),
    'no password': { ...good, credential: '' },
    'no expiry': { ...good, username: 'ann' },
  };
  for (const [name, who] of Object.entries(cases)) is(await (await open(who)).allocate(), 401, name);
  is(await (await open(good)).allocate(), 0);
});

scenario('a relay that stands when its credentials expire goes on', async (_, open) => {
  const expiry = Math.floor(Date.now() / 1000) + 2;
  const who = turnCredentials(TURN_SECRET, expiry);
  const client = await open(who);
  is(await client.allocate(), 0);
  await until('they have expired', () => Date.now() > (expiry + 1) * 1000);
  is(await client.refresh(600), 0);
  is(await client.permit('127.0.0.1'), 0);
  is(await (await open(who)).allocate(), 401, 'nobody begins with them');
});

scenario('a relay to anything but the media ports’ addresses is refused', async (_, open) => {
  const client = await open(turnCredentials(TURN_SECRET, in10Minutes()));
  is(await client.allocate(), 0);
  const elsewhere = ['127.0.0.2', '0.0.0.0', '10.0.0.1', '169.254.169.254', '192.168.1.1', '8.8.8.8', '203.0.113.8'];
  for (const address of [...elsewhere, '224.0.0.1', '255.255.255.255']) is(await client.permit(address), 403, address);
  is(await client.permit('127.0.0.1'), 0, 'that of the media ports');
  const [there, elsewhereOf] = [await peer('127.0.0.1'), await peer('127.0.0.2')];
  await until('the relay sends', () => {
    client.send({ address: '127.0.0.2', port: elsewhereOf.port }, Buffer.from('hello'));
    client.send({ address: '127.0.0.1', port: there.port }, Buffer.from('hello'));
    return there.got.length >= 3;
  });
  equal(elsewhereOf.got, []);
  for (const { socket } of [there, elsewhereOf]) socket.close();
});

scenario('a relay of TCP is refused', async (_, open) => {
  const client = await open(turnCredentials(TURN_SECRET, in10Minutes()));
  is(await client.allocate(Protocol.tcp), 442);
});

scenario(
  'a user has so many relays and no more, whatever the expiry of their credentials',
  async (_, open) => {
    const allocate = async (expiry: number, userid: string): Promise<number> =>
      (await open(turnCredentials(TURN_SECRET, expiry, userid))).allocate();
    const expiry = in10Minutes();
    for (let i = 0; i < 3; i++) is(await allocate(expiry + i, 'ann'), 0);
    is(await allocate(expiry, 'ann'), 486);
    is(await allocate(expiry + 9, 'ann'), 486);
    is(await allocate(expiry, 'bob'), 0);
  },
  { more: ['--user-quota=3'] },
);

withCoturn(test, 'coturn is not started without a secret, a realm and addresses of media ports', async () => {
  const good = { TURN_SECRET, TURN_REALM: 'turn.example.org', ANNOUNCED_ADDRESS: '127.0.0.1' };
  const cases: [Record<string, string>, RegExp][] = [
    [{ TURN_SECRET: 'short' }, /TURN_SECRET has to have at least 16/],
    [{ TURN_SECRET: '' }, /TURN_SECRET has to have at least 16/],
    [{ TURN_REALM: '' }, /TURN_REALM is empty/],
    [{ ANNOUNCED_ADDRESS: '' }, /ANNOUNCED_ADDRESS is empty/],
    [{ TURN_CERT: '/nowhere/cert.pem', TURN_KEY: '/nowhere/key.pem' }, /have to be readable/],
  ];
  for (const [bad, why] of cases) {
    const env = { PATH: process.env['PATH'], ...good, ...bad };
    const { status, stderr } = spawnSync('sh', [START], { env, encoding: 'utf8', timeout: 10_000 });
    is(status, 1, JSON.stringify(bad));
    match(stderr, why);
    ok(!stderr.includes(TURN_SECRET));
  }
});

test.run();
