/**
 * The messages of the data channel `events`, as a client sees them. They match the server's schema
 * (`src/main/events/schema.ts`): a test compares the two, type by type, and feeds the output of one to the other.
 */

/** The label of the data channel. */
export const EVENTS_LABEL = 'events';
export const EVENTS_VERSION = 1;

/** A participant of the conversation. Several clients of one user are several participants. */
export interface Participant {
  /** Its speaker number, which its packets carry as CSRC: unique in the conversation, and not kept in the next one. */
  readonly number: number;
  readonly userid: string;
  readonly clientid: string;
  /** Whether it is muted, by itself or by an operator. */
  readonly muted: boolean;
  readonly speaking: boolean;
  /** Whether it hears nothing because it does not want to. Left out for false, like all that follow. */
  readonly deafened?: boolean | undefined;
  /** Whether it raises its hand, to be given the right to speak. */
  readonly hand?: boolean | undefined;
  /** Whether its user may speak in the conversation. Left out for true. */
  readonly speak?: boolean | undefined;
  /** What the server measures of its connection. Left out where it is good or unknown, and in large conversations. */
  readonly quality?: 'fair' | 'poor' | undefined;
  /** What the permission service says of its user: a name, and whatever means something to the application. */
  readonly name?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** Which speaker is in a slot. */
export interface SlotAssignment {
  /** The slot's media line in this connection's offer. */
  readonly mid: string;
  /** 0 for nobody. */
  readonly number: number;
}

/** The full state; it replaces everything known before. */
export interface SnapshotEvent {
  readonly type: 'snapshot';
  readonly conversation: string | null;
  /** This connection's own number; 0 if it is in no conversation. */
  readonly number: number;
  readonly muted: boolean;
  readonly silenced: boolean;
  /** Whether the user may speak; a server that does not say so lets everybody speak. */
  readonly speak?: boolean | undefined;
  readonly deafened: boolean;
  readonly pinned: readonly number[];
  readonly excluded: readonly number[];
  readonly dominant: number;
  readonly total: number;
  readonly complete: boolean;
  /** Whether the conversation is recorded; older servers do not say it. */
  readonly recording?: boolean | undefined;
  readonly participants: readonly Participant[];
}

export interface ParticipantsEvent {
  readonly type: 'participants';
  readonly total: number;
  readonly complete: boolean;
  readonly changed: readonly Participant[];
  readonly left: readonly number[];
}

export interface PageEvent {
  readonly type: 'page';
  readonly id?: number | undefined;
  readonly total: number;
  readonly participants: readonly Participant[];
  /** `after` of the next page; null at the end. */
  readonly next: number | null;
}

export interface ErrorEvent {
  readonly type: 'error';
  readonly id?: number | undefined;
  readonly code: string;
  readonly detail: string;
  readonly next: string;
}

/** An event from the server. */
export type ServerEvent =
  | SnapshotEvent
  | ParticipantsEvent
  | { readonly type: 'slots'; readonly slots: readonly SlotAssignment[] }
  | { readonly type: 'speaking'; readonly started: readonly number[]; readonly stopped: readonly number[] }
  | { readonly type: 'dominant'; readonly number: number }
  | { readonly type: 'moved'; readonly conversation: string }
  | { readonly type: 'left'; readonly conversation: string; readonly kicked: boolean }
  | { readonly type: 'silenced'; readonly silenced: boolean }
  | { readonly type: 'speak'; readonly speak: boolean }
  | { readonly type: 'replaced' }
  | { readonly type: 'draining'; readonly within: number }
  | { readonly type: 'cluster'; readonly whole: boolean }
  | { readonly type: 'recording'; readonly recording: boolean }
  | PageEvent
  | { readonly type: 'ok'; readonly id: number }
  | ErrorEvent;

/** A request from a client, without version and id, which {@link writeRequest} adds. */
export type Request =
  | { readonly type: 'mute'; readonly muted: boolean }
  | { readonly type: 'deafen'; readonly deafened: boolean }
  | { readonly type: 'hand'; readonly raised: boolean }
  | { readonly type: 'pin'; readonly numbers: readonly number[] }
  | { readonly type: 'exclude'; readonly numbers: readonly number[] }
  | { readonly type: 'participants'; readonly after?: number; readonly limit?: number };

/**
 * The types that members of events can have. A suffix `?` allows null, a prefix `?` that the member is missing; a plural
 * is a list.
 */
type Kind =
  | 'number'
  | 'boolean'
  | '?boolean'
  | 'string'
  | '?string'
  | '?object'
  | 'text?'
  | 'number?'
  | 'numbers'
  | 'participants'
  | 'slots';

const SHAPES: Readonly<Record<ServerEvent['type'], Readonly<Record<string, Kind>>>> = {
  snapshot: {
    conversation: 'text?',
    number: 'number',
    muted: 'boolean',
    silenced: 'boolean',
    speak: '?boolean',
    deafened: 'boolean',
    pinned: 'numbers',
    excluded: 'numbers',
    dominant: 'number',
    total: 'number',
    complete: 'boolean',
    recording: '?boolean',
    participants: 'participants',
  },
  participants: { total: 'number', complete: 'boolean', changed: 'participants', left: 'numbers' },
  slots: { slots: 'slots' },
  speaking: { started: 'numbers', stopped: 'numbers' },
  dominant: { number: 'number' },
  moved: { conversation: 'string' },
  left: { conversation: 'string', kicked: 'boolean' },
  silenced: { silenced: 'boolean' },
  speak: { speak: 'boolean' },
  replaced: {},
  draining: { within: 'number' },
  cluster: { whole: 'boolean' },
  recording: { recording: 'boolean' },
  page: { total: 'number', participants: 'participants', next: 'number?' },
  ok: { id: 'number' },
  error: { code: 'string', detail: 'string', next: 'string' },
};
const PARTICIPANT: Readonly<Record<keyof Participant, Kind>> = {
  number: 'number',
  userid: 'string',
  clientid: 'string',
  muted: 'boolean',
  speaking: 'boolean',
  deafened: '?boolean',
  hand: '?boolean',
  speak: '?boolean',
  quality: '?string',
  name: '?string',
  metadata: '?object',
};
const SLOT: Readonly<Record<keyof SlotAssignment, Kind>> = { mid: 'string', number: 'number' };

type Members = Readonly<Record<string, unknown>>;

const KINDS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  number: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  boolean: (value) => typeof value === 'boolean',
  '?boolean': (value) => value === undefined || typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  '?string': (value) => value === undefined || typeof value === 'string',
  '?object': (value) => value === undefined || isObject(value),
  'text?': (value) => value === null || typeof value === 'string',
  'number?': (value) => value === null || KINDS.number(value),
  numbers: (value) => Array.isArray(value) && value.every(KINDS.number),
  participants: (value) => Array.isArray(value) && value.every((one) => fits(one, PARTICIPANT)),
  slots: (value) => Array.isArray(value) && value.every((one) => fits(one, SLOT)),
};

/**
 * Parses a message from the server: one event or a list of them. Skips events that are malformed, of another version,
 * or of an unknown type. Never throws.
 */
export function readEvents(text: unknown): ServerEvent[] {
  let json: unknown;
  try {
    json = typeof text === 'string' ? JSON.parse(text) : null;
  } catch {
    return [];
  }
  return (Array.isArray(json) ? json : [json]).filter(isEvent);
}

/** Serializes a request. */
export function writeRequest(request: Request, id: number): string {
  return JSON.stringify({ v: EVENTS_VERSION, id, ...request });
}

function isEvent(value: unknown): value is ServerEvent {
  if (!isObject(value) || value['v'] !== EVENTS_VERSION) return false;
  const { type, id } = value;
  if (typeof type !== 'string' || !Object.hasOwn(SHAPES, type)) return false;
  return (id === undefined || KINDS.number(id)) && fits(value, SHAPES[type as ServerEvent['type']]);
}

function fits(value: unknown, shape: Readonly<Record<string, Kind>>): boolean {
  return isObject(value) && Object.entries(shape).every(([name, kind]) => KINDS[kind](value[name]));
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
