/** Instances on a bus in memory, with one clock each. */
import type { Identity } from '../../src/main/cluster/identity.ts';
import { type Figures, Instances } from '../../src/main/cluster/instances.ts';
import { noReadCounts, type ReadCounts } from '../../src/main/cluster/messages/read.ts';
import { Subjects } from '../../src/main/cluster/subjects.ts';
import type { FakeBus, FakeNet } from './fake-bus.ts';
import { FakeTimers } from './fake-timers.ts';
import { type LogRecord, recordLog } from './log-record.ts';

export const SUBJECTS = new Subjects('sfu');

export interface FakeInstance {
  readonly bus: FakeBus;
  readonly time: FakeTimers;
  readonly instances: Instances;
  readonly counts: ReadCounts;
  readonly log: LogRecord;
  /** What its heartbeats tell. */
  readonly figures: { -readonly [Name in keyof Figures]: Figures[Name] };
  /** What it saw of others: `+id`, `-id why`, `settled`. */
  readonly seen: string[];
}

/** Makes an instance. @param incarnation its last digits. @param clock what its clock shows, milliseconds. */
export function fakeInstance(net: FakeNet, id: string, incarnation: string, clock = 0): FakeInstance {
  const [bus, time, counts, log] = [net.join(), new FakeTimers(), noReadCounts(), recordLog()];
  time.pass(clock);
  const figures = { draining: false, connections: 0, conversations: 0, relayedIn: 0, relayedOut: 0, dropped: 0 };
  const self: Identity = { id, incarnation: incarnation.padStart(12, '0'), version: '1.0.0', host: `h-${id}`, pid: 7 };
  const parts = { bus, subjects: SUBJECTS, self, figures: () => figures, counts, timers: time, log: log.log };
  const instances = new Instances(parts);
  const seen: string[] = [];
  instances.watch({
    appeared: (other) => void seen.push(`+${other.id}`),
    gone: (other, why) => void seen.push(`-${other.id} ${why}`),
    settled: () => void seen.push('settled'),
  });
  return { bus, time, instances, counts, log, figures, seen };
}

/** Lets time pass for all, in steps that keep them together. */
export function passTogether(all: readonly FakeInstance[], duration: number, step = 10): void {
  for (let passed = 0; passed < duration; passed += step) {
    for (const { time } of all) time.pass(Math.min(step, duration - passed));
  }
}
