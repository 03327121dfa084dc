/** Hostile messages over the channel for events to a real server. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { below, prng, seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('hostile events');

interface Fixture {
  readonly server: RunningServer;
  readonly host: ClientHost;
  /** Connects a client and lets it join the conversation. */
  enter(userid: string, options?: Parameters<ClientHost['connect']>[2]): Promise<TestClient>;
}

/** Runs `body` with a server and its clients. The server must log no error and end with 0. */
async function withServer(body: (fixture: Fixture) => Promise<void>): Promise<void> {
  const server = await startServer({ EVENTS_INTERVAL_MS: '50', STATS_INTERVAL_MS: '100' });
  const host = new ClientHost();
  const enter: Fixture['enter'] = async (userid, options = {}) => {
    const client = await host.connect(server.url, userid, options);
    await fetch(`${server.url}/join/room`, { method: 'POST', headers: claimHeader(userid) });
    await client.knows(({ conversation }) => conversation === 'room' || options.label !== undefined);
    return client;
  };
  try {
    await body({ server, host, enter });
    equal(
      server.logs.filter((line) => /"level":(50|60)/.test(line)),
      [],
      'no error was logged',
    );
    is(await server.stop(), 0);
  } finally {
    host.kill();
    server.process.kill('SIGKILL');
  }
}

/** Returns the codes of the errors that a client got. */
const codes = async (client: TestClient): Promise<string[]> =>
  (await client.look()).of('error').map(({ code }) => code);

test('garbage is answered with errors, one each, and the channel and the voice go on', () =>
  withServer(async ({ enter }) => {
    const random = prng(seed('garbage'));
    const [ann, bob] = [await enter('ann'), await enter('bob')];
    const rubbish = ['', '\u0000', 'null', '[]', '{}', '{"v":1}', '{"v":1,"type":"mute"}', `${'['.repeat(4000)}`];
    for (let i = 0; i < 10; i++) {
      rubbish.push(
        String.fromCharCode(...Array.from({ length: 1 + below(random, 2000) }, () => below(random, 0x10000))),
      );
    }
    await ann.say(...rubbish);
    await ann.knows((view) => view.of('error').length === rubbish.length);
    ok((await ann.state()).channelOpen);
    await ann.talk();
    await bob.knows(({ slots }) => slots.size === 1);
  }));

test('messages that are too long or binary are answered with errors', () =>
  withServer(async ({ enter }) => {
    const ann = await enter('ann');
    await ann.say('x'.repeat(4097), JSON.stringify({ v: 1, type: 'mute', muted: true, more: 'x'.repeat(200_000) }));
    await ann.sayBinary(100_000);
    await ann.knows((view) => view.of('error').length === 3);
    equal(await codes(ann), ['too-long', 'too-long', 'not-text']);
    ok((await ann.state()).channelOpen);
    is(ann.view.muted, false);
  }));

test('a client that floods loses the channel, and nothing else', () =>
  withServer(async ({ enter }) => {
    const [ann, bob] = [await enter('ann'), await enter('bob')];
    await ann.say(...Array<string>(3000).fill(JSON.stringify({ v: 1, type: 'participants' })));
    await ann.losesChannel();
    is((await codes(ann)).at(-1), 'flood');
    ok(ann.view.of('page').length <= 40, `${ann.view.of('page').length} answers`);
    await ann.openChannel('events', 'again');
    await ann.talk();
    await bob.knows((view) => view.slots.size === 1 && view.userids.join() === 'ann,bob');
    is((await ann.state()).state, 'connected');
  }));

test('only the first channel for events is one; the others are read and say nothing', () =>
  withServer(async ({ enter }) => {
    const ann = await enter('ann');
    for (const label of ['events', 'other']) await ann.openChannel(label, '{"v":1,"type":"mute","muted":true}');
    await ann.request({ v: 1, type: 'participants', id: 1 });
    const view = await ann.knows(({ all }) => all.at(-1)?.type === 'page');
    is(view.of('error').length, 0);
    is(view.named('ann')?.muted, false);
  }));

test('a client that opens too many channels is disconnected, and its place in the conversation is free', () =>
  withServer(async ({ enter }) => {
    const [ann, bob] = [await enter('ann'), await enter('bob')];
    for (let i = 0; i < 4; i++) await ann.openChannel(`more ${i}`, 'hello');
    await bob.knows(({ userids }) => userids.join() === 'bob');
  }));

test('a client without a channel, or with another one, gets no events and costs nothing', () =>
  withServer(async ({ enter, server }) => {
    const [mute, other] = [await enter('mute', { data: false, label: '' }), await enter('other', { label: 'chat' })];
    const ann = await enter('ann');
    await ann.knows(({ userids }) => userids.length === 3);
    equal((await other.look()).all, []);
    equal((await mute.look()).all, []);
    await server.logged('"msg":"stats"', '"eventChannels":1,');
  }));

test('clients that come and go leave no channel behind', () =>
  withServer(async ({ host, server }) => {
    for (let i = 0; i < 20; i++) {
      const client = await host.connect(server.url, `user${i % 4}`);
      if (i % 2 === 0) await client.end();
    }
    for (let i = 0; i < 4; i++) await (await host.connect(server.url, `user${i}`)).end();
    const stats = (): { connections: number; eventChannels: number } =>
      JSON.parse(server.logs.findLast((line) => line.includes('"msg":"stats"')) ?? '{}');
    await until('no connection is left', () => stats().connections === 0);
    is(stats().eventChannels, 0);
  }));

test.run();
