/** The demo's bots against a real server. */
import { equal, is, ok } from 'uvu/assert';
import { BotCrew } from '../../demo/bots/crew.ts';
import { MAX_BOTS } from '../../demo/bots/protocol.ts';
import { ClientHost } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('demo-bots');

const ROOM = 'kitchen & garden';
const path = encodeURIComponent(ROOM);

test('they speak in turns, as loud as their speech is, and are heard', async () => {
  const server = await startServer();
  const host = new ClientHost();
  const crew = new BotCrew(() => undefined);
  crew.serve([server]);
  try {
    is(crew.place(ROOM, 5), 5);
    const ann = await host.connect(server.url, 'ann', { slots: 2, publishes: false });
    await fetch(`${server.url}/join/${path}`, { method: 'POST', headers: claimHeader('ann') });
    await ann.knows(({ total }) => total === 6);
    const spoke = new Set<string>();
    let mostAtOnce = 0;
    await ann.knows(({ speaking }) => {
      for (const name of speaking) spoke.add(name);
      mostAtOnce = Math.max(mostAtOnce, speaking.length);
      return spoke.size >= 4;
    });
    ok(mostAtOnce <= 4, `${mostAtOnce} of 5 at once`);
    for (const name of spoke) ok(name.endsWith(' (bot)'), name);
    // Frames of a real encoder, some of which are speech, and not only the ends of sentences.
    const packets = await ann.take();
    ok(packets.length > 200, `${packets.length} packets`);
    crew.place(ROOM, 2);
    await ann.knows(({ total }) => total === 3);
    crew.place(ROOM, 0);
    await ann.knows(({ total }) => total === 1);
  } finally {
    await crew.close();
    await server.stop();
    host.kill();
  }
}, 60);

test('they follow when there is another server', async () => {
  const crew = new BotCrew(() => undefined);
  const first = await startServer();
  crew.serve([first]);
  crew.place(ROOM, 3);
  await holds(first, 3);
  first.process.kill('SIGKILL');
  crew.serve([]);
  const second = await startServer();
  crew.serve([second]);
  try {
    await holds(second, 3);
  } finally {
    await crew.close();
    await second.stop();
  }
}, 60);

test('they leave a room without people', async () => {
  const server = await startServer();
  const host = new ClientHost();
  const said: string[] = [];
  const crew = new BotCrew((line) => said.push(line), { look: 100, alone: 600 });
  crew.serve([server]);
  try {
    const ann = await host.connect(server.url, 'ann', { publishes: false });
    await fetch(`${server.url}/join/${path}`, { method: 'POST', headers: claimHeader('ann') });
    crew.place(ROOM, 2);
    await holds(server, 3);
    await ann.knows(({ speaking }) => speaking.length > 0);
    equal(crew.counts, { [ROOM]: 2 }, 'with a human they stay');
    await ann.end();
    await until('the bots have left', () => crew.counts[ROOM] === undefined);
    is(said.at(-1), `0 bots in ${ROOM}`);
  } finally {
    await crew.close();
    await server.stop();
    host.kill();
  }
}, 60);

test('there are only so many of them', async () => {
  const crew = new BotCrew(() => undefined);
  try {
    is(crew.place('a', MAX_BOTS - 10), MAX_BOTS - 10);
    is(crew.place('b', 20), 10);
    is(crew.place('c', 1), 0);
    equal(crew.counts, { a: MAX_BOTS - 10, b: 10 });
    is(crew.place('a', 1), 1);
    is(crew.place('c', MAX_BOTS), MAX_BOTS - 11);
  } finally {
    await crew.close();
  }
});

/** Waits until this many users have a connection in the conversation. */
async function holds({ adminUrl }: RunningServer, count: number): Promise<void> {
  await until(`${count} users are connected`, async () => {
    const answer = await fetch(`${adminUrl}/conversations/${path}`);
    if (!answer.ok) return false;
    const { users } = (await answer.json()) as { users: { connections: unknown[] }[] };
    return users.filter(({ connections }) => connections.length > 0).length === count;
  });
}

test.run();
