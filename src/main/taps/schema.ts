/**
 * The text messages of a tap. They are the events that clients get, of `events/schema.ts`, and some of its own. Each is
 * one JSON object with the version `v` and a `type`, or a JSON list of such; readers ignore types that they do not know.
 */
import * as v from 'valibot';
import { EVENTS_VERSION } from '../events/schema.ts';

const version = v.literal(EVENTS_VERSION);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const payloadType = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(127));

const events = {
  /** Whose packets have this number, and what they are; before the first of them. */
  speaker: v.object({
    v: version,
    type: v.literal('speaker'),
    number: count,
    userid: v.string(),
    clientid: v.string(),
    /** Of Opus. */
    payloadType,
    /** Of RED (RFC 2198), 0 for none. */
    redPayloadType: payloadType,
    /** Id of the header extension with the level (RFC 6464), 0 for none. */
    levelExtension: payloadType,
  }),
  /** Packets that this reader did not get because it read too slowly. */
  lost: v.object({
    v: version,
    type: v.literal('lost'),
    /** Since the last event of this type. */
    packets: count,
    /** Since the tap was opened. */
    total: count,
  }),
};

export type TapEvent = v.InferOutput<(typeof events)[keyof typeof events]>;
export const TAP_EVENT_TYPES = Object.keys(events) as TapEvent['type'][];

/** Writes an event of taps. */
export function writeTapEvent(event: TapEvent): string {
  return JSON.stringify(event);
}

/** Reads one event, from JSON. Never throws. @returns null for anything that is no event of taps. */
export function readTapEvent(json: unknown): TapEvent | null {
  if (typeof json !== 'object' || json === null) return null;
  const { type } = json as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(events, type)) return null;
  const result = v.safeParse(events[type as TapEvent['type']] as v.GenericSchema<TapEvent>, json);
  return result.success ? result.output : null;
}
