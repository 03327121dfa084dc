/**
 * What instances tell each other of a conversation, on `C.conversation.<hash>` and, for one of
 * them, `C.instance.<incarnation>.presence`.
 */
import * as v from 'valibot';
import { MAX_CONNECTION_INDEX } from '../../../workers/protocol.ts';
import { MAX_ID_LENGTH } from '../../claim.ts';
import { MAX_INSTANCES } from './heartbeats.ts';
import { count, incarnation } from './parts.ts';
import type { FamilyMessage } from './read.ts';

/** Most participants of one conversation on one instance: it has no more indexes. */
export const MAX_REMOTE_PARTICIPANTS = MAX_CONNECTION_INDEX + 1;
/** Most participants in one message that is read; what this version sends is smaller. */
const MAX_PARTICIPANTS = 2000;
/** Most sources that an instance can want of the foremost: all that there may be. */
export const MAX_WANTS = 2 ** 20;
/** Most pins of one instance in one conversation. */
export const MAX_PINS = 1024;
/** Most messages that a whole state may have. */
const MAX_PARTS = 1024;

const integer = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const id = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));
/** A connection id on its own instance. */
const source = integer(0, 2 ** 31 - 1);
const publication = v.object({
  payloadType: integer(0, 127),
  redPayloadType: integer(0, 127),
  levelExtension: integer(0, 14),
});

const change = v.object({
  s: source,
  /** Muted. */
  m: v.boolean(),
  /** Talks. */
  t: v.boolean(),
  /** Is deafened; raises a hand. Left out for false, and by versions that do not tell. */
  d: v.exactOptional(v.boolean()),
  h: v.exactOptional(v.boolean()),
  /** The quality of its connection, where there is something to say. */
  q: v.exactOptional(v.picklist(['fair', 'poor'])),
});

const participant = v.object({ ...change.entries, u: id, c: id, p: v.nullable(publication) });

/** A participant, by its instance and its source there. */
const place = v.tuple([incarnation, source]);

/** The sender's number of this message among those that change what it has told; the others repeat the last one. */
const head = { conversation: id, from: incarnation, seq: count };

/** What an instance's listeners ask of the others. */
const wishes = {
  /** How many of the foremost sources they can hear between them; 0 if nobody listens. */
  wants: integer(0, MAX_WANTS),
  /** The dominant speaker by the sender's worker, if the sender is the one whose word counts. */
  dominant: v.nullable(place),
  /** Whether a tap of the sender's gets all sources, foremost or not. */
  tapped: v.exactOptional(v.boolean()),
  /** Whether the sender has a tap that records. */
  recorded: v.exactOptional(v.boolean()),
};
const pinned = v.pipe(v.array(place), v.maxLength(MAX_PINS));
const participants = v.pipe(v.array(participant), v.maxLength(MAX_PARTICIPANTS));

export const presence = {
  /**
   * The sender takes part and wants to know the others.
   * `count`: how many participants it has told of up to `seq`; `known`: how much it knows of each other instance.
   */
  hello: v.object({
    ...head,
    count,
    known: v.pipe(v.array(v.tuple([incarnation, count])), v.maxLength(MAX_INSTANCES)),
  }),
  /** What has changed. `pinned` is left out if that has not. */
  delta: v.object({
    ...head,
    joined: participants,
    left: v.pipe(v.array(source), v.maxLength(MAX_PARTICIPANTS)),
    changed: v.pipe(v.array(change), v.maxLength(MAX_PARTICIPANTS)),
    ...wishes,
    pinned: v.optional(pinned),
  }),
  /** All there is to know at `seq`, in messages 0 … `parts` - 1. Only the first one's pins count. */
  state: v.object({
    ...head,
    part: integer(0, MAX_PARTS - 1),
    parts: integer(1, MAX_PARTS),
    participants,
    ...wishes,
    pinned,
  }),
  /** Asks an instance for its state. */
  ask: v.object({ conversation: id, from: incarnation }),
  /** The sender still takes part. `digest`: of all that it has told, as `presence/digest.ts` calculates it. */
  beat: v.object({ ...head, digest: v.exactOptional(integer(0, 2 ** 32 - 1)) }),
  /** The sender takes part no longer. */
  bye: v.object(head),
} as const;

export type PresenceMessage = FamilyMessage<typeof presence>;
export type PresenceBeat = v.InferOutput<typeof presence.beat>;
export type Hello = v.InferOutput<typeof presence.hello>;
export type Delta = v.InferOutput<typeof presence.delta>;
export type State = v.InferOutput<typeof presence.state>;
export type WireChange = v.InferOutput<typeof change>;
export type WireParticipant = v.InferOutput<typeof participant>;
export type Place = v.InferOutput<typeof place>;
