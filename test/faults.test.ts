/** Workers that end or hang in the midst of calls, and a main thread that stands still: real processes, real WebRTC. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost } from './support/client.ts';
import { BrokenServer, fill } from './support/fault-room.ts';
import type { WorkerFault } from './support/faults.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('faults');
const KILLS = 20;
/** Numbers that may be missing where a worker ended: packets that it had numbered and not handed over. */
const MAX_JUMP = 4;

test('twenty workers end under load, and each time everybody hears again within a second', async () => {
  const broken = await BrokenServer.start({ WORKERS: '2' });
  const host = new ClientHost();
  const rooms = [await fill(host, broken.server, 'hall', 3, 6), await fill(host, broken.server, 'den', 3, 6)];
  const ears = rooms.flatMap(({ ears }) => ears);
  const everybodyHears = async (count: number, after: number): Promise<void> => {
    for (const room of rooms) for (const ear of room.ears) await ear.hears(room.names, count, after);
  };
  await everybodyHears(10, 0);
  for (const { client } of ears) await client.knows(({ participants }) => participants.size === 9);
  const faults: WorkerFault[] = ['terminate', 'throw', 'exit'];
  const outages: number[] = [];
  for (let i = 0; i < KILLS; i++) {
    const at = await broken.break(faults[i % 3]!, i % 2);
    while (broken.replaced.length === i) await new Promise((resolve) => setTimeout(resolve, 5));
    // More than a second of sound: a worker that ends as soon as it begins is another matter.
    await everybodyHears(60, at + 200);
    outages.push(
      ...rooms.map(({ names, ears }) =>
        Math.max(...ears.flatMap((ear) => names.map((name) => ear.longestGap(name, at)))),
      ),
    );
  }
  const longest = Array.from({ length: KILLS }, (_, i) => Math.max(outages[2 * i]!, outages[2 * i + 1]!));
  const sorted = [...longest].sort((a, b) => a - b).map(Math.round);
  console.log(`longest gap at any listener, ms: median ${sorted[KILLS / 2]}, most ${sorted.at(-1)}; all ${sorted}`);
  console.log(`worker away, ms: ${broken.replaced.map(({ ms }) => ms)}`);
  ok(sorted.at(-1)! < 1000, `${sorted}`);
  for (const ear of ears) {
    equal(ear.illegal(MAX_JUMP), []);
    is(new Set(ear.heard.map(({ ssrc }) => ssrc)).size, 3);
    for (const [name, numbers] of ear.numbers) is(numbers.size, 1, name);
    const view = await ear.client.look();
    equal([view.of('moved').length, view.of('left').length, view.of('snapshot').length], [1, 0, 2]);
    is(view.participants.size, 9);
  }
  for (const { conversations, connections } of broken.replaced) equal([conversations, connections], [1, 9]);
  is(await broken.server.stop(), 0);
  host.kill();
}, 180);

test.run();
