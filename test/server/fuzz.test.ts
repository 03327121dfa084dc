/** A short run of every fuzz target; `npm run fuzz` runs them longer. `SEED=…` repeats a failure. */
import { ok } from 'uvu/assert';
import { targets } from '../fuzz/all.ts';
import { type Counters, runTarget } from '../fuzz/target.ts';
import { seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('fuzz');

/** Units of each target, and outcomes that must occur: a run in which every input fails early proves nothing. */
const RUNS: Readonly<Record<string, { count: number; kinds: readonly string[] }>> = {
  packets: { count: 20_000, kinds: ['forwarded', 'sent', 'rebuilt', 'Malformed', 'BadRed', 'UnknownSsrc', 'TooOld'] },
  worker: { count: 20_000, kinds: ['sent', 'Malformed', 'NotJoined'] },
  headers: { count: 5_000, kinds: ['Ok', 'Truncated', 'BadPadding'] },
  rtcp: { count: 2_000, kinds: ['read', 'malformed', 'flooded', 'reports sent'] },
  rings: { count: 2_000, kinds: ['read', 'delivered', 'corrupt', 'healed'] },
  plans: { count: 250, kinds: ['bad-sdp', 'no-audio', '1 slots', '3 slots'] },
  messages: { count: 2_000, kinds: ['ok', 'page', 'not-json', 'bad-message', 'unknown-type'] },
  relayed: { count: 10_000, kinds: ['heard', 'announced', 'unknown source', 'too old', 'malformed'] },
  heartbeats: { count: 1_200, kinds: ['appeared', 'malformed', 'other version', 'unknown type'] },
  presence: { count: 4_000, kinds: ['listed', 'malformed', 'other version', 'unknown type'] },
  records: { count: 4_000, kinds: ['records', 'malformed', 'other version'] },
  asks: { count: 1_000, kinds: ['connections', 'answers', 'losses', 'malformed'] },
  connect: { count: 60, kinds: ['4400', '4406', 'answered, then 4504'] },
  requests: { count: 250, kinds: ['200', '400', '404'] },
  bus: { count: 5_000, kinds: ['hear 3 others', 'join: 200'] },
  bucket: { count: 5_000, kinds: ['ready: 200'] },
  channel: { count: 60, kinds: ['not-json', 'bad-message'] },
};

function told(outcomes: Counters, kinds: readonly string[]): void {
  for (const kind of kinds) ok(outcomes.of(kind) > 0, `nothing came to "${kind}": ${outcomes}`);
}

for (const target of targets) {
  test(`fuzzed ${target.name} have only documented results and leave nothing behind`, async () => {
    const { count, kinds } = RUNS[target.name]!;
    const { outcomes } = await runTarget(target, { seed: seed(target.name), count });
    told(outcomes, kinds);
  }, 120);
}

test.run();
