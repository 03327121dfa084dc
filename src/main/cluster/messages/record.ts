/** What the cluster keeps of a user: one record in the bucket, under a key that is made of the userid. */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { MAX_ID_LENGTH } from '../../claim.ts';
import {
  areLasting,
  FULL_RIGHTS,
  MAX_BANS,
  MAX_METADATA_LENGTH,
  MAX_NAME_LENGTH,
  MAX_WORDS,
  type Rights,
} from '../../conversations/rights.ts';
import { incarnation } from './parts.ts';
import { type ReadCounts, readMessage, writeMessage } from './read.ts';

/** Most connections in a record. Whatever the configuration says, a user has fewer. */
export const MAX_RECORDED_CONNECTIONS = 1000;
/** Longest key that has the whole userid, characters. A longer one has its hash. */
const MAX_KEY_LENGTH = 200;

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));

const connection = v.object({
  clientid: id,
  /** Incarnation of the instance that has it. */
  instance: incarnation,
  /** Its id on that instance. */
  connection: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** For how long it had been established when it was recorded, ms; left out if it was recorded at once. */
  waited: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
});

const rights = v.object({
  grant: v.object({
    speak: v.boolean(),
    name: v.optional(v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_LENGTH))), null),
    metadata: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(MAX_METADATA_LENGTH), v.check(isObject))), null),
  }),
  words: v.pipe(v.array(v.object({ conversation: id, speak: v.boolean() })), v.maxLength(MAX_WORDS)),
  bans: v.optional(
    v.pipe(
      v.array(v.object({ conversation: id, until: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) })),
      v.maxLength(MAX_BANS),
    ),
    [],
  ),
});

const record = v.object({
  userid: id,
  /** Null for none. */
  conversation: v.nullable(id),
  mutedByOperator: v.boolean(),
  /** Whether an operator took the user out of the conversation that they were in last. */
  kicked: v.optional(v.boolean(), false),
  connections: v.pipe(v.array(connection), v.maxLength(MAX_RECORDED_CONNECTIONS)),
  /** Left out by versions that know none, and until somebody has said anything of them. */
  rights: v.exactOptional(rights),
});

export type RecordedConnection = Readonly<v.InferOutput<typeof connection>>;

export interface UserRecord extends Readonly<Omit<v.InferOutput<typeof record>, 'connections' | 'rights'>> {
  readonly connections: readonly RecordedConnection[];
  readonly rights?: Rights;
}

/** Returns what is known of a user without a record. */
export function blankRecord(userid: string): UserRecord {
  return { userid, conversation: null, mutedByOperator: false, kicked: false, connections: [] };
}

/** Whether a record says nothing, so that it need not be kept. */
export function isBlank(record: UserRecord): boolean {
  const { conversation, mutedByOperator, connections } = record;
  return conversation === null && !mutedByOperator && connections.length === 0 && !areLasting(rightsOf(record));
}

/** Returns the rights of a record's user. */
export function rightsOf({ rights = FULL_RIGHTS }: Pick<UserRecord, 'rights'>): Rights {
  return rights;
}

/** Returns the record with other rights; the same one if these are its own. */
export function withRights(read: UserRecord, rights: Rights): UserRecord {
  return rights === rightsOf(read) ? read : { ...read, rights };
}

/** Returns the key of a user's record; no other user has it. */
export function recordKey(userid: string): string {
  const key = Buffer.from(userid).toString('base64url');
  // Halves of surrogate pairs have no UTF-8 form of their own, but one in JSON.
  if (key.length <= MAX_KEY_LENGTH && isWellFormed(userid)) return key;
  return `=${createHash('sha256').update(JSON.stringify(userid)).digest('base64url')}`;
}

/** Reads a record. @param counts counts a bad one. @returns null for a bad one, or one under another user's key. */
export function readRecord(key: string, bytes: Uint8Array, counts: ReadCounts): UserRecord | null {
  const read = readMessage(record, bytes, counts);
  if (read === null || recordKey(read.userid) === key) return read;
  counts.malformed++;
  return null;
}

export function writeRecord(read: UserRecord): Uint8Array {
  return writeMessage(read);
}

/** Whether a text is the JSON of an object, which goes into events as it is. */
function isObject(text: string): boolean {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && JSON.stringify(json) === text;
  } catch {
    return false;
  }
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
