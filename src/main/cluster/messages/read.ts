/**
 * Reads control messages from the bus. They are JSON objects with `v: 1`, and hostile until they are read: nothing here
 * throws. Unknown members are ignored, so that a newer version may add some.
 */
import * as v from 'valibot';
import { incarnation, instanceId } from './parts.ts';

/**
 * The version of all control messages. A greater one is for changes that an older instance must not ignore: the two then
 * do not see each other. Such a version must also keep its records in another bucket, for a record of another version
 * counts as none, and would be written over.
 */
export const MESSAGE_VERSION = 1;
/** Largest control message, bytes: as large as NATS lets through by default. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** Messages that were dropped, by reason. One object counts for a whole instance. */
export interface ReadCounts {
  /** No JSON, no object, or not as its schema says. */
  malformed: number;
  /** Of another version than {@link MESSAGE_VERSION}. */
  otherVersion: number;
  tooLarge: number;
  /** Of a type that this version does not know. That is no fault. */
  unknownType: number;
  /** Of one instance or participant more than there may be. */
  tooMany: number;
}

export function noReadCounts(): ReadCounts {
  return { malformed: 0, otherVersion: 0, tooLarge: 0, unknownType: 0, tooMany: 0 };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** Returns the bytes of a message, with its version. */
export function writeMessage(message: object): Uint8Array {
  return encoder.encode(JSON.stringify({ v: MESSAGE_VERSION, ...message }));
}

/**
 * Reads a message of the only type on its subject.
 *
 * @param schema without `v`. @param counts counts the message if it is dropped.
 * @returns null for a message that is to be dropped.
 */
export function readMessage<S extends v.GenericSchema>(
  schema: S,
  bytes: Uint8Array,
  counts: ReadCounts,
): v.InferOutput<S> | null {
  const message = readObject(bytes, counts);
  return message === null ? null : check(schema, message, counts);
}

/** Schemas by the `type` of their messages. */
export type Family = Readonly<Record<string, v.GenericSchema>>;
/** A message of a family. Its `type` tells which. */
export type FamilyMessage<F extends Family> = {
  [T in keyof F & string]: { readonly type: T } & v.InferOutput<F[T]>;
}[keyof F & string];

/**
 * Reads a message whose `type` tells its schema.
 *
 * @param family schemas without `v` and `type`. @param counts counts the message if it is dropped.
 * @returns null for a message that is to be dropped or whose type is unknown.
 */
export function readFamily<F extends Family>(
  family: F,
  bytes: Uint8Array,
  counts: ReadCounts,
): FamilyMessage<F> | null {
  const message = readObject(bytes, counts);
  if (message === null) return null;
  const { type } = message;
  if (typeof type !== 'string') return drop('malformed', counts);
  if (!Object.hasOwn(family, type)) return drop('unknownType', counts);
  const checked = check(family[type]!, message, counts);
  return checked === null ? null : ({ ...(checked as object), type } as FamilyMessage<F>);
}

/** What a message of another version may say of its sender; each part only if it is as in this version. */
export interface OtherMessage {
  readonly v: number;
  readonly id?: string | undefined;
  readonly incarnation?: string | undefined;
  readonly version?: string | undefined;
  readonly host?: string | undefined;
}

const shortText = v.fallback(v.optional(v.pipe(v.string(), v.maxLength(255))), undefined);
const otherMessage = v.object({
  v: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.notValue(MESSAGE_VERSION)),
  id: v.fallback(v.optional(instanceId), undefined),
  incarnation: v.fallback(v.optional(incarnation), undefined),
  version: shortText,
  host: shortText,
});

/** Reads who sends a message of another version. Counts nothing. @returns null if it is none. */
export function readOtherVersion(bytes: Uint8Array): OtherMessage | null {
  try {
    const result = v.safeParse(otherMessage, JSON.parse(utf8.decode(bytes.subarray(0, MAX_MESSAGE_BYTES))));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

function readObject(bytes: Uint8Array, counts: ReadCounts): Record<string, unknown> | null {
  if (bytes.length > MAX_MESSAGE_BYTES) return drop('tooLarge', counts);
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    return drop('malformed', counts);
  }
  if (typeof value !== 'object' || value === null) return drop('malformed', counts);
  const message = value as Record<string, unknown>;
  if (message['v'] === MESSAGE_VERSION) return message;
  return drop(Number.isInteger(message['v']) ? 'otherVersion' : 'malformed', counts);
}

function check<S extends v.GenericSchema>(schema: S, message: object, counts: ReadCounts): v.InferOutput<S> | null {
  const result = v.safeParse(schema, message);
  return result.success ? result.output : drop('malformed', counts);
}

function drop(why: keyof ReadCounts, counts: ReadCounts): null {
  counts[why]++;
  return null;
}
