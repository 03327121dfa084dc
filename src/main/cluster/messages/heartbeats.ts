/** What instances tell each other of themselves, on `C.beat` and `C.id.<id>`. */
import * as v from 'valibot';
import { count, incarnation, instanceId, time } from './parts.ts';

/** Most instances of a cluster. Heartbeats of more are dropped. */
export const MAX_INSTANCES = 500;

const shortText = v.pipe(v.string(), v.maxLength(255));

/** Which process it is, for people. */
const who = { id: instanceId, incarnation, version: shortText, host: shortText, pid: count };

/** Each second. */
const beat = v.object({
  ...who,
  /** The sender's own clock, which others return in `seen`. */
  sentAt: time,
  draining: v.boolean(),
  connections: count,
  conversations: count,
  relayedIn: count,
  relayedOut: count,
  dropped: count,
  /** Whether the sender is ready to speak for the cluster (webhooks); left out if it is not. */
  speaks: v.exactOptional(v.boolean()),
  /** By peer: the `sentAt` of its latest heartbeat, and for how long the sender has held it, ms. */
  seen: v.pipe(v.array(v.tuple([incarnation, time, time])), v.maxLength(MAX_INSTANCES)),
});

/** The instance ends. */
const bye = v.object({ incarnation });

export const heartbeats = { beat, bye } as const;

export type Beat = v.InferOutput<typeof beat>;

/** A request on `C.id.<id>`: does another instance have this id? Also its answer: this one has. */
export const claimedId = v.object(who);
export type ClaimedId = v.InferOutput<typeof claimedId>;
