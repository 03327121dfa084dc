/** Workers that end or hang during calls, and a main thread that is blocked: real processes, real WebRTC. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, SILENCE } from '../support/client.ts';
import type { WorkerFault } from '../support/faults.ts';
import { FaultyServer, fillConversation, join, type Listener } from '../support/faulty-server.ts';
import { scenarios } from '../support/scenario.ts';
import { shortestOf, until } from '../support/waiting.ts';

const test = scenarios('faults');
const KILLS = 20;
/** Largest step of sequence numbers where a worker ended: it may have numbered packets that it did not hand over. */
const MAX_JUMP = 4;
/** Largest step where the main thread was blocked: five seconds of packets. */
const MAX_LATE_JUMP = 300;

test('twenty workers end under load, and each time everybody hears again within a second', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '2' });
  const host = new ClientHost();
  const rooms = [
    await fillConversation(host, faulty.server, 'hall', 3, 6),
    await fillConversation(host, faulty.server, 'den', 3, 6),
  ];
  const listeners = rooms.flatMap(({ listeners }) => listeners);
  const everybodyHears = async (count: number, after: number): Promise<void> => {
    for (const room of rooms) for (const listener of room.listeners) await listener.hears(room.names, count, after);
  };
  await everybodyHears(10, 0);
  for (const { client } of listeners) await client.knows(({ participants }) => participants.size === 9);
  const faults: WorkerFault[] = ['terminate', 'throw', 'exit'];
  const longest: number[] = [];
  for (let i = 0; i < KILLS; i++) {
    const kill = async (): Promise<number> => {
      const before = faulty.replaced.length;
      const at = await faulty.break(faults[i % 3]!, i % 2);
      await faulty.replacements(before + 1);
      // More than a second of sound, because a worker that ends as soon as it starts is another case.
      await everybodyHears(60, at + 200);
      const gaps = rooms.flatMap(({ names, listeners }) =>
        listeners.flatMap((listener) => names.map((name) => listener.longestGap(name, at))),
      );
      return Math.max(...gaps);
    };
    longest.push(await shortestOf(1000, kill));
  }
  const sorted = longest.sort((a, b) => a - b).map(Math.round);
  console.log(`longest gap at any listener, ms: median ${sorted[KILLS / 2]}, most ${sorted.at(-1)}; all ${sorted}`);
  console.log(`worker away, ms: ${faulty.replaced.map(({ ms }) => ms)}`);
  ok(sorted.at(-1)! < 1000, `${sorted}`);
  for (const listener of listeners) {
    equal(listener.illegal(MAX_JUMP), []);
    is(new Set(listener.heard.map(({ ssrc }) => ssrc)).size, 3);
    for (const [name, numbers] of listener.numbers) is(numbers.size, 1, name);
    const view = await listener.client.look();
    equal([view.of('moved').length, view.of('left').length, view.of('snapshot').length], [1, 0, 2]);
    is(view.participants.size, 9);
  }
  for (const { conversations, connections } of faulty.replaced) equal([conversations, connections], [1, 9]);
  is(await faulty.server.stop(), 0);
  host.kill();
}, 180);

test('what a client wished for, and who had muted or deafened themselves, outlasts the worker', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '1' });
  const host = new ClientHost();
  const { speakers, names, listeners } = await fillConversation(host, faulty.server, 'room', 4, 3, 1);
  const [first, second, third, fourth] = names as [string, string, string, string];
  const [pins, excludes, deaf] = listeners as [Listener, Listener, Listener];
  const numberOf = async (name: string): Promise<number> =>
    (await pins.client.knows((view) => view.named(name) !== undefined)).named(name)!.number;
  await pins.client.request({ v: 1, type: 'pin', numbers: [await numberOf(second)], id: 1 });
  const excluded = [await numberOf(first), await numberOf(second), await numberOf(third)];
  await excludes.client.request({ v: 1, type: 'exclude', numbers: excluded, id: 1 });
  await deaf.client.request({ v: 1, type: 'deafen', deafened: true, id: 1 });
  await speakers[2]!.request({ v: 1, type: 'mute', muted: true, id: 1 });
  for (const client of [pins.client, excludes.client, deaf.client, speakers[2]!]) {
    await client.knows((view) => view.of('ok').length === 1);
  }
  await pins.hears([second], 10, 0);
  await excludes.hears([fourth], 10, 0);
  for (const fault of ['terminate', 'throw'] as const) {
    const before = faulty.replaced.length;
    const at = await faulty.break(fault);
    await faulty.replacements(before + 1);
    await deaf.listen();
    deaf.heard.length = 0;
    // Others have the slot until the pinned speaker has spoken on the new worker.
    await pins.hears([second], 20, at + 200);
    const settled = pins.heard.at(-1)!.at;
    await pins.hears([second], 60, settled);
    await excludes.hears([fourth], 60, at + 200);
    const voices = (listener: Listener, after: number): string[] => [
      ...new Set(
        listener.heard.filter((packet) => packet.from !== SILENCE && packet.at > after).map(({ from }) => from),
      ),
    ];
    equal(voices(pins, settled), [second]);
    equal(voices(excludes, at + 200), [fourth]);
    equal((await deaf.listen()).heard, []);
  }
  await pins.client.request({ v: 1, type: 'pin', numbers: [await numberOf(third)] });
  await speakers[2]!.request({ v: 1, type: 'mute', muted: false });
  await pins.hears([third], 10, 0);
  is(await faulty.server.stop(), 0);
  host.kill();
}, 60);

test('a worker that hangs is noticed, and everybody hears again', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '2' });
  const host = new ClientHost();
  const rooms = [
    await fillConversation(host, faulty.server, 'hall', 2, 2),
    await fillConversation(host, faulty.server, 'den', 2, 2),
  ];
  for (const { listeners, names } of rooms) for (const listener of listeners) await listener.hears(names, 10, 0);
  let hangs = 0;
  const hang = async (): Promise<[other: number, hung: number]> => {
    const at = await faulty.break('loop');
    for (const { listeners, names } of rooms) for (const listener of listeners) await listener.hears(names, 200, at);
    const reasons = faulty.replaced.map(({ err }) => err.message);
    is(reasons.length, ++hangs, `${reasons}`);
    for (const reason of reasons) match(reason, 'the worker hung and was ended');
    const metrics = await (await fetch(`${faulty.server.adminUrl}/metrics`)).text();
    match(metrics, `\nsfu_worker_restarts_total ${hangs}\n`);
    const gaps = rooms.map(({ listeners, names }) =>
      Math.max(...listeners.flatMap((listener) => names.map((n) => listener.longestGap(n, at)))),
    );
    const [other = 0, hung = 0] = gaps.sort((a, b) => a - b).map(Math.round);
    console.log(`longest gap at a listener of the other worker and of the hung one, ms: ${other}, ${hung}`);
    ok(hung > 1500, `${gaps}`);
    return [other, hung];
  };
  const gaps: [other: number, hung: number][] = [];
  const quick = (): boolean => gaps.some(([other, hung]) => other < 1000 && hung < 4000);
  for (let i = 0; i < 4 && !quick(); i++) gaps.push(await hang());
  ok(quick(), `longest gaps of the other and the hung one: ${gaps.join('; ')}`);
  for (const { listeners } of rooms) for (const listener of listeners) equal(listener.illegal(MAX_JUMP), []);
  is(await faulty.server.stop(), 0);
  host.kill();
}, 60);

test('a worker that runs out of memory ends alone, and everybody hears again', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '1', NODE_OPTIONS: '--max-old-space-size=100' });
  const host = new ClientHost();
  const { listeners, names } = await fillConversation(host, faulty.server, 'hall', 1, 1);
  await listeners[0]!.hears(names, 10, 0);
  const at = await faulty.break('memory');
  await faulty.replacements(1);
  await listeners[0]!.hears(names, 60, at + 200);
  // A worker that collects garbage for more than two seconds before it gives up counts as hung.
  match(faulty.replaced[0]!.err.message, /heap out of memory|the worker hung and was ended/);
  equal(listeners[0]!.illegal(MAX_JUMP), []);
  is(await faulty.server.stop(), 0);
  host.kill();
}, 60);

for (const [what, pause] of [
  ['the main thread stands still', (faulty: FaultyServer) => faulty.stall(2000)],
  ['the whole process is stopped', (faulty: FaultyServer) => faulty.stop(4000)],
] as const) {
  test(`after ${what} for seconds, sound is back at once, nothing old is sent and no worker is blamed`, async () => {
    const faulty = await FaultyServer.start({ WORKERS: '2', STATS_INTERVAL_MS: '200', MAX_DELAY_MS: '500' });
    const host = new ClientHost();
    const { listeners, names } = await fillConversation(host, faulty.server, 'hall', 4, 12);
    for (const listener of listeners) await listener.hears(names, 100, 0);
    const before = faulty.stats;
    const pauses = async (): Promise<number> => {
      const at = await pause(faulty);
      const over = performance.timeOrigin + performance.now();
      for (const listener of listeners) await listener.hears(names, 100, over + 500);
      const back = listeners.map(
        ({ heard }) => heard.find((one) => one.at > at + 1000 && one.from !== SILENCE)!.at - over,
      );
      return Math.max(...back);
    };
    const back = await shortestOf(500, pauses);
    ok(back < 500, `${back} ms`);
    for (const listener of listeners) equal(listener.illegal(MAX_LATE_JUMP), []);
    const after = faulty.stats;
    console.log(`resident memory, MB: ${before.rss / 1e6} -> ${after.rss / 1e6}; late: ${after.late - before.late}`);
    ok(after.rss - before.rss < 64e6, `${before.rss} -> ${after.rss}`);
    equal(faulty.replaced, []);
    is(await faulty.server.stop(), 0);
    host.kill();
  }, 60);
}

test('clients that move or leave while their worker ends still arrive', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '2' });
  const host = new ClientHost();
  const { url } = faulty.server;
  const { speakers, listeners, names } = await fillConversation(host, faulty.server, 'hall', 2, 2);
  for (const listener of listeners) await listener.hears(names, 10, 0);
  const everybody = [...speakers, ...listeners.map(({ client }) => client)];
  for (let i = 0; i < 6; i++) {
    const room = `room${i}`;
    const ends = faulty.break('terminate', i % 2);
    await Promise.all(everybody.map((client) => join(url, client, room)));
    const at = await ends;
    for (const listener of listeners) await listener.hears(names, 60, at + 200);
  }
  for (const listener of listeners) equal(listener.illegal(MAX_JUMP), []);
  // A worker ends while the server shuts down.
  const last = faulty.break('terminate', 0);
  const code = faulty.server.stop();
  await last;
  is(await code, 0);
  host.kill();
}, 60);

test('a server whose worker hangs still shuts down', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '2' });
  const host = new ClientHost();
  const rooms = [
    await fillConversation(host, faulty.server, 'hall', 1, 1),
    await fillConversation(host, faulty.server, 'den', 1, 1),
  ];
  for (const { listeners, names } of rooms) await listeners[0]!.hears(names, 10, 0);
  await faulty.break('loop');
  const listeners = rooms.flatMap((room) => room.listeners);
  const silentFor = (listener: Listener): number =>
    performance.timeOrigin + performance.now() - listener.heard.at(-1)!.at;
  // Nothing reports a hang before the server notices it; it shows only in missing packets.
  await until('a listener has heard nothing for half a second', async () => {
    for (const listener of listeners) await listener.listen();
    return listeners.some((listener) => silentFor(listener) > 500);
  });
  is(await faulty.server.stop(), 0);
  host.kill();
}, 60);

test('workers that end as soon as they begin end the process, which says so', async () => {
  const faulty = await FaultyServer.start({ WORKERS: '1' });
  const host = new ClientHost();
  const { listeners, names } = await fillConversation(host, faulty.server, 'hall', 1, 1);
  await listeners[0]!.hears(names, 10, 0);
  await faulty.break('throw', 0, true);
  is(await faulty.server.exited, 1);
  const fatal = JSON.parse(faulty.server.logs.find((line) => line.includes('"level":60'))!);
  ok(/ended 5 times in a row within 1000 ms of its start.*injected/.test(fatal.err.message), fatal.err.message);
  ok(faulty.replaced.length <= 6);
  host.kill();
}, 60);

test.run();
