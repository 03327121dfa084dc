/**
 * What `WEBHOOK_URL` gets: one schema for the server and its tests, from which docs/schema/webhook.json is made.
 *
 * Receivers ignore members and types that they do not know, so that both can be added without a new version.
 */
import * as v from 'valibot';

export const WEBHOOK_VERSION = 1;
/** Most events in a request. */
export const MAX_EVENTS = 64;

const text = v.pipe(v.string(), v.minLength(1));
const conversation = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const userid = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

/** What every event has. */
const common = {
  /** The same whenever the event is sent again, and no other event's. */
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  /** When it happened, milliseconds since 1970. */
  at: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Whose memberships: those of a cluster, or of a single instance from its start to its end. */
  source: text,
  conversation,
} as const;

/** The events, by type. */
export const WEBHOOK_EVENTS = {
  /** Somebody is in it now; `user.joined` or `user.moved` follows. */
  'conversation.began': v.object({ type: v.literal('conversation.began'), ...common }),
  /** Nobody is in it any more: the last one left, or the single instance that had it ends. */
  'conversation.ended': v.object({
    type: v.literal('conversation.ended'),
    ...common,
    why: v.picklist(['empty', 'shutdown']),
  }),
  'user.joined': v.object({ type: v.literal('user.joined'), ...common, userid }),
  'user.left': v.object({
    type: v.literal('user.left'),
    ...common,
    userid,
    why: v.picklist(['left', 'kicked', 'expired']),
  }),
  /** They came from another conversation, `from`, which they are no longer in. */
  'user.moved': v.object({ type: v.literal('user.moved'), ...common, userid, from: conversation }),
  /** A recorder began to read the conversation by a tap, which everybody in it is told; `recording` names it. */
  'recording.began': v.object({ type: v.literal('recording.began'), ...common, recording: text }),
  'recording.ended': v.object({ type: v.literal('recording.ended'), ...common, recording: text }),
  /** An operator muted them, or ended that. */
  'user.silenced': v.object({ type: v.literal('user.silenced'), ...common, userid, silenced: v.boolean() }),
} as const;
export type WebhookType = keyof typeof WEBHOOK_EVENTS;
export type WebhookEvent = v.InferOutput<(typeof WEBHOOK_EVENTS)[WebhookType]>;

/** The body of a request. */
export const WebhookBody = v.object({
  v: v.literal(WEBHOOK_VERSION),
  events: v.pipe(
    v.array(v.variant('type', Object.values(WEBHOOK_EVENTS) as unknown as [(typeof WEBHOOK_EVENTS)[WebhookType]])),
    v.minLength(1),
    v.maxLength(MAX_EVENTS),
  ),
});
