/**
 * What is said on the data channel `events`, as a client sees it. It says the same as the server's schema
 * (`src/main/events/schema.ts`); a test compares the two, type by type, and feeds the one with what the other makes.
 */

/** The label of the data channel. */
export const EVENTS_LABEL = 'events';
export const EVENTS_VERSION = 1;

/** A connection in the conversation. Several clients of one user are several participants. */
export interface Participant {
  /** What its packets carry as CSRC; unique in the conversation, and another one in the next conversation. */
  readonly number: number;
  readonly userid: string;
  readonly clientid: string;
  /** By itself or by an operator. */
  readonly muted: boolean;
  readonly speaking: boolean;
}

/** Who is in a slot. */
export interface SlotAssignment {
  /** Media line of the slot in this connection's offer. */
  readonly mid: string;
  /** 0 for nobody. */
  readonly number: number;
}

/** What was known before is void. */
export interface SnapshotEvent {
  readonly type: 'snapshot';
  readonly conversation: string | null;
  /** This connection's own; 0 in no conversation. */
  readonly number: number;
  readonly muted: boolean;
  readonly silenced: boolean;
  readonly deafened: boolean;
  readonly pinned: readonly number[];
  readonly excluded: readonly number[];
  readonly dominant: number;
  readonly total: number;
  readonly complete: boolean;
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

/** What the server says. */
export type ServerEvent =
  | SnapshotEvent
  | ParticipantsEvent
  | { readonly type: 'slots'; readonly slots: readonly SlotAssignment[] }
  | { readonly type: 'speaking'; readonly started: readonly number[]; readonly stopped: readonly number[] }
  | { readonly type: 'dominant'; readonly number: number }
  | { readonly type: 'moved'; readonly conversation: string }
  | { readonly type: 'left'; readonly conversation: string; readonly kicked: boolean }
  | { readonly type: 'silenced'; readonly silenced: boolean }
  | { readonly type: 'replaced' }
  | { readonly type: 'draining'; readonly within: number }
  | PageEvent
  | { readonly type: 'ok'; readonly id: number }
  | ErrorEvent;

/** What a client asks for; the version and the id are added on the way. */
export type Request =
  | { readonly type: 'mute'; readonly muted: boolean }
  | { readonly type: 'deafen'; readonly deafened: boolean }
  | { readonly type: 'pin'; readonly numbers: readonly number[] }
  | { readonly type: 'exclude'; readonly numbers: readonly number[] }
  | { readonly type: 'participants'; readonly after?: number; readonly limit?: number };

/** What each member of an event has to be; a list's type is that of its items. */
type Kind = 'number' | 'boolean' | 'string' | 'text?' | 'number?' | 'numbers' | 'participants' | 'slots';

const SHAPES: Readonly<Record<ServerEvent['type'], Readonly<Record<string, Kind>>>> = {
  snapshot: {
    conversation: 'text?',
    number: 'number',
    muted: 'boolean',
    silenced: 'boolean',
    deafened: 'boolean',
    pinned: 'numbers',
    excluded: 'numbers',
    dominant: 'number',
    total: 'number',
    complete: 'boolean',
    participants: 'participants',
  },
  participants: { total: 'number', complete: 'boolean', changed: 'participants', left: 'numbers' },
  slots: { slots: 'slots' },
  speaking: { started: 'numbers', stopped: 'numbers' },
  dominant: { number: 'number' },
  moved: { conversation: 'string' },
  left: { conversation: 'string', kicked: 'boolean' },
  silenced: { silenced: 'boolean' },
  replaced: {},
  draining: { within: 'number' },
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
};
const SLOT: Readonly<Record<keyof SlotAssignment, Kind>> = { mid: 'string', number: 'number' };

type Members = Readonly<Record<string, unknown>>;

const KINDS: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  number: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  'text?': (value) => value === null || typeof value === 'string',
  'number?': (value) => value === null || KINDS.number(value),
  numbers: (value) => Array.isArray(value) && value.every(KINDS.number),
  participants: (value) => Array.isArray(value) && value.every((one) => fits(one, PARTICIPANT)),
  slots: (value) => Array.isArray(value) && value.every((one) => fits(one, SLOT)),
};

/**
 * Reads a message of the server: one event, or a list of them. What is broken, of another version, or of a type that is not
 * known is left out. Never throws.
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

/** Writes a request. */
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
