/** Parts of a shard for tests that serve no conversation and do not listen to what workers report. */
import type { ShardEvents } from '../../src/main/media/shard.ts';
import type { Served } from '../../src/main/media/worker-supervisor.ts';

export const NO_EVENTS: ShardEvents = { started: () => undefined, dominantChanged: () => undefined };

export const NOTHING_SERVED: Served = {
  rebuild: () => ({ conversations: 0, connections: 0 }),
  dominantChanged: () => undefined,
};
