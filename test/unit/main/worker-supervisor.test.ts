/** What is done about a worker that ends, hangs, or does not begin; with threads that do as the test says. */
import { equal, is, ok } from 'uvu/assert';
import { createLog, type Log } from '../../../src/main/log/log.ts';
import { WorkerSupervisor } from '../../../src/main/media/worker-supervisor.ts';
import { Bell } from '../../../src/workers/bell.ts';
import { BEAT_WORD, layoutShard, type Report, type WorkerTask } from '../../../src/workers/protocol.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { scenarios } from '../../support/scenario.ts';
import { NOTHING_SERVED } from '../../support/served.ts';

const test = scenarios('worker supervisor');
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** A worker's thread, which does nothing by itself. */
interface Run {
  readonly task: WorkerTask;
  readonly fails: (error: Error) => void;
  readonly returns: () => void;
}

function setUp({ obedient = true, log = createLog('silent') }: { obedient?: boolean; log?: Log } = {}) {
  const shard = layoutShard(1 << 12, 1 << 12);
  const counters = new Int32Array(shard.memory, shard.counters);
  const words = (): SharedArrayBuffer => new SharedArrayBuffer(64);
  const tables = { slots: words(), slotsPerConnection: 1, sources: words(), restBell: words() };
  const runs: Run[] = [];
  const failures: string[] = [];
  let rebuilt = 0;
  let terminated = 0;
  const time = new FakeTimers();
  let running = -1;
  const threads = {
    run: (task: WorkerTask) =>
      new Promise<void>((resolve, reject) => runs.push({ task, fails: reject, returns: () => resolve() })),
    // Looked up when a thread is believed to run.
    find: (id: number) => {
      running = id;
      return {
        terminate: async () => {
          terminated++;
          if (obedient) runs[id]!.fails(new Error('terminated'));
          return 1;
        },
      };
    },
  };
  const supervisor = new WorkerSupervisor({
    index: 0,
    threads,
    task: { shard, ...tables },
    receivers: [],
    maxDelay: 100,
    served: { ...NOTHING_SERVED, rebuild: () => ({ conversations: ++rebuilt, connections: 0 }) },
    failed: (error) => failures.push(error.message),
    log,
    timers: time,
  });
  /** The newest thread says that it runs, and is believed. */
  const begins = async (): Promise<void> => {
    const id = runs.length - 1;
    runs[id]!.task.port.postMessage({ type: 'ready', thread: id } satisfies Report);
    await until(() => running === id);
  };
  const look = (times: number, beating = false): void => {
    for (let i = 0; i < times; i++) {
      if (beating) counters[BEAT_WORD]!++;
      time.pass(250);
    }
  };
  const counts = () => ({
    runs: runs.length,
    rebuilt,
    terminated,
    restarts: supervisor.restarts,
    failures: failures.length,
  });
  return { supervisor, time, runs, failures, begins, look, counts };
}

test('a worker that ends is replaced by one that is told everything', async () => {
  const { runs, time, begins, counts } = setUp();
  await begins();
  runs[0]!.fails(new Error('a bug'));
  await until(() => runs.length === 2);
  equal(counts(), { runs: 2, rebuilt: 1, terminated: 0, restarts: 1, failures: 0 });
  runs[1]!.returns();
  await until(() => counts().restarts === 2);
  time.pass(100);
  equal(counts(), { runs: 3, rebuilt: 2, terminated: 0, restarts: 2, failures: 0 });
  runs[2]!.task.port.close();
});

test('a worker that beats is left alone; one that does not for eight looks is ended and replaced', async () => {
  const { runs, begins, look, counts } = setUp();
  await begins();
  look(100, true);
  look(7);
  look(1, true);
  look(7);
  is(counts().terminated, 0);
  look(1);
  is(counts().terminated, 1);
  await until(() => runs.length === 2);
  equal(counts(), { runs: 2, rebuilt: 1, terminated: 1, restarts: 1, failures: 0 });
  await begins();
  look(8);
  is(counts().terminated, 1, 'the new one was given its own time');
  look(1);
  is(counts().terminated, 2);
});

test('a worker that does not begin, or cannot be ended, is reported', async () => {
  const late = setUp();
  late.look(40);
  equal(late.failures, []);
  late.look(1);
  equal(late.failures, ['a worker does not start']);
  const deaf = setUp({ obedient: false });
  await deaf.begins();
  deaf.look(40);
  equal([deaf.counts().terminated, deaf.failures], [1, []]);
  deaf.look(1);
  equal([deaf.counts().terminated, deaf.failures], [1, ['a hung worker cannot be ended']]);
});

test('workers that end as soon as they begin are waited for longer and longer, and then given up', async () => {
  const { runs, time, failures, begins, counts } = setUp();
  for (const [i, wait] of [0, 100, 200, 400].entries()) {
    await begins();
    runs[i]!.fails(new Error('a poisonous packet'));
    await until(() => counts().restarts === i + 1);
    if (wait > 0) time.pass(wait - 1);
    is(runs.length, wait > 0 ? i + 1 : i + 2, 'not yet');
    time.pass(wait > 0 ? 1 : 0);
    is(runs.length, i + 2);
  }
  await begins();
  runs[4]!.fails(new Error('a poisonous packet'));
  await until(() => failures.length > 0);
  equal(counts(), { runs: 5, rebuilt: 4, terminated: 0, restarts: 4, failures: 1 });
  ok(/5 times in a row/.test(failures[0]!), failures[0]);
});

test('a worker that has run for a second before it ends is no early end', async () => {
  const { runs, time, failures, begins, counts } = setUp();
  for (let i = 0; i < 9; i++) {
    await begins();
    time.pass(i === 4 ? 1000 : 999);
    runs[i]!.fails(new Error('a rare bug'));
    await until(() => counts().restarts === i + 1);
    time.pass(400);
    is(runs.length, i + 2);
  }
  equal(failures, []);
  await begins();
  runs[9]!.fails(new Error('a rare bug'));
  await until(() => failures.length === 1);
});

test('once it is to stop, no worker is replaced, whether it ends, or is yet to begin', async () => {
  const { supervisor, runs, begins, counts } = setUp();
  await begins();
  const stopped = supervisor.stop();
  runs[0]!.fails(new Error('too late'));
  await stopped;
  equal(counts(), { runs: 1, rebuilt: 0, terminated: 0, restarts: 0, failures: 0 });

  const waiting = setUp();
  for (let i = 0; i < 3; i++) {
    waiting.time.pass(100);
    is(waiting.runs.length, i + 1);
    await waiting.begins();
    waiting.runs[i]!.fails(new Error('at once'));
    await until(() => waiting.counts().restarts === i + 1);
    if (i === 2) await waiting.supervisor.stop();
  }
  waiting.time.pass(1000);
  is(waiting.runs.length, 3);
});

test('workers that end before they ever run are given up as well', async () => {
  const { runs, time, failures, counts } = setUp();
  for (let i = 0; failures.length === 0 && i < 20; i++) {
    await until(() => runs.length === i + 1);
    runs[i]!.fails(new Error('it cannot be loaded'));
    await until(() => counts().restarts === i + 1 || failures.length > 0);
    time.pass(2000);
  }
  equal([runs.length, failures.length], [6, 1]);
  ok(/5 times in a row/.test(failures[0]!), failures[0]);
});

test('the successor of a worker that hung does not count as hung', async () => {
  const { runs, failures, begins, look, counts } = setUp({ obedient: false });
  await begins();
  look(9);
  is(counts().terminated, 1);
  runs[0]!.fails(new Error('terminated'));
  await until(() => runs.length === 2);
  look(41);
  equal(failures, ['a worker does not start']);
});

test('a worker that does not move is woken at each look', async () => {
  const { runs, begins, look } = setUp();
  await begins();
  const { memory, workerBell } = runs[0]!.task.shard;
  const bell = new Bell(memory, workerBell);
  look(1);
  for (let i = 0; i < 3; i++) {
    bell.arm();
    look(1);
    is(bell.claim(), false);
  }
});

test('the log tells how long nothing was forwarded, from the first of several ends on', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = { error: (fields: Record<string, unknown>) => lines.push(fields) } as unknown as Log;
  const { runs, time, begins, counts } = setUp({ log });
  await begins();
  time.pass(5000);
  runs[0]!.fails(new Error('a bug'));
  await until(() => runs.length === 2);
  time.pass(300);
  runs[1]!.fails(new Error('it cannot be loaded'));
  await until(() => counts().restarts === 2);
  time.pass(700);
  await until(() => runs.length === 3);
  await begins();
  equal(
    lines.map(({ ms, worker }) => [ms, worker]),
    [[1000, 0]],
  );
});

test.run();
