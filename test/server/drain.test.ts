/** A server that gets SIGTERM while people talk. */
import { performance } from 'node:perf_hooks';
import { equal, is, match, ok } from 'uvu/assert';
import { type Drained, drained } from '../../src/main/operations/drain.ts';
import { ClientHost, SILENCE, type TestClient } from '../support/client.ts';
import { launchUntilExit } from '../support/launch.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const test = scenarios('drain');

interface Party {
  readonly server: RunningServer;
  readonly host: ClientHost;
  readonly people: TestClient[];
}

/** Starts a server, and clients that talk in one conversation. */
async function connectAll(names: readonly string[], env: Record<string, string> = {}): Promise<Party> {
  const server = await startServer({ DRAIN_TIMEOUT_MS: '60000', EVENTS_INTERVAL_MS: '50', ...env });
  const host = new ClientHost();
  const people = await Promise.all(names.map((name) => host.connect(server.url, name)));
  for (const client of people) {
    is(client.close.code, 1000);
    is(await join(server, client.name, 'room'), 200);
    await client.talk();
  }
  for (const client of people) await client.knows(({ userids }) => userids.length === names.length);
  return { server, host, people };
}

async function ask(method: 'POST' | 'DELETE', server: RunningServer, userid: string, room: string): Promise<number> {
  return (await fetch(`${server.url}/join/${room}`, { method, headers: claimHeader(userid) })).status;
}
const join = (server: RunningServer, userid: string, room: string): Promise<number> =>
  ask('POST', server, userid, room);
const leave = (server: RunningServer, userid: string, room: string): Promise<number> =>
  ask('DELETE', server, userid, room);

/** Checks that the sequence numbers of the next packets have no hole. */
async function goesOn(client: TestClient, packets: number): Promise<void> {
  const heard = await client.receives(({ length }) => length >= packets);
  const numbers = heard.map(({ sequence }) => sequence);
  for (let i = 1; i < numbers.length; i++) is((numbers[i]! - numbers[i - 1]!) & 0xffff, 1);
}

async function readiness(server: RunningServer): Promise<[number, string]> {
  const response = await fetch(`${server.adminUrl}/readyz`);
  return [response.status, ((await response.json()) as { status: string }).status];
}

test('a signal while the server starts ends it with exit code 0', async () => {
  const preload = new URL('../support/signal-at-start.js', import.meta.url);
  const env = { LISTEN: '127.0.0.1:0', NODE_OPTIONS: `--import=${preload.href}` };
  const { code, stdout } = await launchUntilExit(env);
  is(code, 0);
  equal(stdout, [], 'it did not get as far as listening');
});

test('people who talk go on until they leave, and nobody new comes in', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob']);
  const [ann, bob] = people;
  // This client keeps the conversation from having a single member while ann and bob move one after the other.
  is((await host.connect(server.url, 'eve')).close.code, 1000);
  is(await join(server, 'eve', 'room'), 200);
  const attempt = await openSocket(server.url, 'cid');
  await bob!.take();
  server.process.kill('SIGTERM');
  is((await attempt.closed).code, 1012);
  for (const client of people) await client.knows((view) => view.of('draining').length === 1);
  const { within } = ann!.view.of('draining')[0]!;
  ok(within > 55_000 && within <= 60_000, `${within}`);
  equal(await readiness(server), [503, 'draining']);
  is((await fetch(`${server.adminUrl}/healthz`)).status, 200);
  const claim = `X-User-Claim: ${claimHeader('dan')['X-User-Claim']}\r\n`;
  match(
    await exchange(server.port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`),
    /^HTTP\/1\.1 503 /,
  );
  is(await join(server, 'dan', 'room'), 503, 'a membership here would be lost');
  is(await leave(server, 'dan', 'room'), 503, 'he may be in it elsewhere');
  is(await leave(server, 'ann', 'elsewhere'), 200);
  await goesOn(bob!, 150);
  is(server.process.exitCode, null, 'a talking conversation is not cut');

  is(await join(server, 'ann', 'other room'), 200, 'who is here may move');
  await ann!.knows((view) => view.conversation === 'other room');
  is(await join(server, 'bob', 'other room'), 200);
  await goesOn(bob!, 100);
  const begun = performance.now();
  await ann!.end();
  is(await server.exited, 0);
  ok(performance.now() - begun < 30_000, 'bob, who is alone, is not waited for');
  await bob!.knows((view) => view.of('draining').at(-1)?.within === 0);
  match(await server.logged('drained'), /"why":"(conversations finished|no connections)"/);
  host.kill();
}, 40);

test('users who go on are sent to the next instance with every request, which takes effect here as well', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob', 'cid']);
  const [ann, bob, cid] = people;
  // The server does not end as long as these two are together.
  for (const name of ['dan', 'eve']) {
    await host.connect(server.url, name);
    is(await join(server, name, 'company'), 200);
  }
  server.process.kill('SIGTERM');
  await ann!.knows((view) => view.of('draining').length === 1);
  is(await join(server, 'ann', 'room'), 503, 'she is there; another connection of hers wants to be');
  is(await join(server, 'ann', 'other room'), 503);
  await ann!.knows((view) => view.conversation === 'other room');
  await bob!.knows(({ userids }) => userids.length === 2);
  is(await leave(server, 'ann', 'other room'), 503);
  await ann!.knows((view) => view.conversation === null);

  const claim = `X-User-Claim: ${claimHeader('bob', 'tab')['X-User-Claim']}\r\n`;
  const asked = `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`;
  match(await exchange(server.port, asked), /^HTTP\/1\.1 503 /);
  is(await join(server, 'bob', 'other room'), 503, 'he connects elsewhere');
  await bob!.knows((view) => view.conversation === 'other room');

  is(await join(server, 'cid', 'third room'), 200, 'who asks for nothing that only the next one has stays');
  await cid!.knows((view) => view.conversation === 'third room');
  is(await leave(server, 'cid', 'third room'), 200);
  server.process.kill('SIGTERM');
  is(await server.exited, 0);
  host.kill();
});

test('operators mute and kick while it drains, and the others go on', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob', 'cid']);
  const [ann, bob, cid] = people as [TestClient, TestClient, TestClient];
  server.process.kill('SIGTERM');
  for (const client of people) await client.knows((view) => view.of('draining').length === 1);
  const order = async (user: string, what: string): Promise<number> =>
    (await fetch(`${server.adminUrl}/conversations/room/users/${user}/${what}`, { method: 'POST' })).status;
  is(await order('ann', 'mute'), 200);
  await ann.knows((view) => view.of('silenced').some(({ silenced }) => silenced));
  is(await order('bob', 'kick'), 200);
  await bob.knows((view) => view.of('left').some(({ kicked }) => kicked));
  // Waits for the packets under way; after that only cid is heard.
  await goesOn(ann, 20);
  await cid.take();
  await goesOn(ann, 20);
  const heard = await cid.take();
  equal(
    heard.filter(({ from }) => from !== SILENCE),
    [],
  );
  is(await join(server, 'bob', 'room'), 200, 'bob has not gone on');
  await goesOn(bob, 20);
  for (const client of people) await client.end();
  is(await server.exited, 0);
  host.kill();
});

test('at the deadline the conversation ends, with exit code 0', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob'], { DRAIN_TIMEOUT_MS: '2500' });
  const begun = performance.now();
  is(await server.stop(), 0);
  const took = performance.now() - begun;
  ok(took >= 2400 && took < 30_000, `${took} ms`);
  for (const client of people) {
    await client.knows((view) => view.of('draining').at(-1)?.within === 0);
    is(client.view.of('draining').length, 2);
  }
  match(await server.logged('drained'), '"why":"deadline"');
  host.kill();
});

test('a second signal ends conversations at once, with exit code 0', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob']);
  server.process.kill('SIGTERM');
  await people[0]!.knows((view) => view.of('draining').length === 1);
  const begun = performance.now();
  server.process.kill('SIGINT');
  is(await server.exited, 0);
  ok(performance.now() - begun < 30_000);
  match(await server.logged('drained'), '"why":"signal"');
  await people[1]!.knows((view) => view.of('draining').at(-1)?.within === 0);
  host.kill();
});

test('an error that nothing catches ends conversations at once, with exit code 1', async () => {
  for (const how of ['throw', 'reject'] as const) {
    const server = await startServer({ DRAIN_TIMEOUT_MS: '60000' }, new URL('../support/fault.js', import.meta.url));
    const host = new ClientHost();
    const ann = await host.connect(server.url, 'ann');
    server.process.send!(how);
    is(await server.exited, 1);
    match(
      await server.logged('unexpected error; shutting down'),
      `a test ${how === 'throw' ? 'threw' : 'rejected'} this`,
    );
    await server.logged('"stopped"');
    await ann.knows((view) => view.of('draining').at(-1)?.within === 0);
    host.kill();
  }
});

test('a signal that comes twice while nobody is there is no failure', async () => {
  const server = await startServer({}, new URL('../support/signal-again.js', import.meta.url));
  is(await server.stop(), 0);
  await server.logged('"stopped"');
});

test('with nobody there it ends at once', async () => {
  const server = await startServer({ DRAIN_TIMEOUT_MS: '60000' });
  const begun = performance.now();
  is(await server.stop(), 0);
  ok(performance.now() - begun < 30_000);
});

test('a client that opens the events after the signal is told the time that is left as well', async () => {
  const { server, host, people } = await connectAll(['ann', 'bob']);
  const late = await host.connect(server.url, 'cid', { label: 'something else' });
  is(await join(server, 'cid', 'room'), 200);
  server.process.kill('SIGTERM');
  await people[0]!.knows((view) => view.of('draining').length === 1);
  await late.openChannel('events', '{"v":1,"type":"mute","muted":true,"id":5}');
  await late.knows((view) => view.of('draining').length === 1);
  ok(late.view.of('draining')[0]!.within <= people[0]!.view.of('draining')[0]!.within);
  server.process.kill('SIGTERM');
  is(await server.exited, 0);
  host.kill();
});

test('a conversation that is quiet only for a moment is not finished', async () => {
  const begun = performance.now();
  const look = (): Drained => ({ connections: 2, talking: Math.floor((performance.now() - begun) / 400) % 2 === 0 });
  is(await drained(look, 2500, new AbortController().signal), 'deadline');
  is(
    await drained(() => ({ connections: 2, talking: false }), 2500, new AbortController().signal),
    'conversations finished',
  );
  is(await drained(() => ({ connections: 0, talking: true }), 2500, new AbortController().signal), 'no connections');
});

test.run();
