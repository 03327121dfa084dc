/**
 * The messages of the data channel `events` in both directions: one schema for the server and its clients. It imports
 * only valibot, so that a browser's bundle can use it unchanged.
 *
 * Each event and each request is a JSON object with the version `v` and a `type`. A client sends one request in a text
 * message. The server sends one event or a JSON list of events, because a message costs the same whatever its length.
 * Both ends ignore members that are not listed here, and a client ignores unknown types, so that both can be added
 * without a new version.
 */
import * as v from 'valibot';

/** Label of the data channel. */
export const EVENTS_LABEL = 'events';
export const EVENTS_VERSION = 1;

/** Limits of a client's messages. `MAX_REQUESTS_PER_SECOND` can change `burst` and `perSecond`. */
export const EventLimits = {
  /** Characters (UTF-16) in a message. */
  messageLength: 4096,
  /** Messages at once. */
  burst: 20,
  /** Messages a second in the long run. */
  perSecond: 10,
  /** Numbers in `pin`. */
  pinned: 16,
  /** Numbers in `exclude`. */
  excluded: 100,
  /** Participants on a page. */
  page: 100,
} as const;

/** What can be wrong with a client's message or packets, and what to do about it. */
export const EventErrors = {
  'not-text': 'Send text messages, not binary ones.',
  'too-long': `Send at most ${EventLimits.messageLength} characters in a message.`,
  'not-json': 'Send one JSON object in each message.',
  'bad-version': `Send "v": ${EVENTS_VERSION}.`,
  'unknown-type': 'Send one of mute, deafen, hand, pin, exclude and participants.',
  'bad-message': 'Correct the member that the detail names.',
  'unknown-number': 'Use numbers from the last snapshot and the events after it; nothing was changed.',
  silenced: 'Wait for the event silenced with false; only an operator can unmute this user.',
  'no-right-to-speak': 'Wait for the event speak with true; until then this user can only listen here.',
  'not-in-conversation': 'Join a conversation, wait for its snapshot, and ask again.',
  'bad-red':
    'If frames are encrypted end to end, leave audio/red out with setCodecPreferences and connect again; ' +
    'otherwise send RED as RFC 2198 has it.',
  flood: 'The channel is closed, and the connection goes on. Connect again to get events, and send less.',
} as const;
export type EventErrorCode = keyof typeof EventErrors;

const MAX_NUMBER = 2 ** 32 - 1;
const version = v.literal(EVENTS_VERSION);
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_NUMBER));
/** A participant's number in the conversation, which is the CSRC in its packets. */
const participantNumber = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_NUMBER));
const numbers = v.array(participantNumber);
/** The client's own number for a request; the answer repeats it. */
const requestId = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const id = v.optional(requestId);

export const ParticipantSchema = v.object({
  number: participantNumber,
  userid: v.string(),
  clientid: v.string(),
  muted: v.boolean(),
  speaking: v.boolean(),
  /** Left out for false, like all that follow. */
  deafened: v.optional(v.boolean()),
  hand: v.optional(v.boolean()),
  /** Left out for true. */
  speak: v.optional(v.boolean()),
  /** Of its connection, where it is not good. */
  quality: v.optional(v.picklist(['fair', 'poor'])),
  name: v.optional(v.string()),
  metadata: v.optional(v.record(v.string(), v.unknown())),
});
/** One participant of a conversation. */
export type Participant = v.InferOutput<typeof ParticipantSchema>;

/** Client to server, by type. */
const requests = {
  mute: v.object({ v: version, type: v.literal('mute'), id, muted: v.boolean() }),
  deafen: v.object({ v: version, type: v.literal('deafen'), id, deafened: v.boolean() }),
  hand: v.object({ v: version, type: v.literal('hand'), id, raised: v.boolean() }),
  pin: v.object({
    v: version,
    type: v.literal('pin'),
    id,
    numbers: v.pipe(numbers, v.maxLength(EventLimits.pinned)),
  }),
  exclude: v.object({
    v: version,
    type: v.literal('exclude'),
    id,
    numbers: v.pipe(numbers, v.maxLength(EventLimits.excluded)),
  }),
  participants: v.object({
    v: version,
    type: v.literal('participants'),
    id,
    after: v.optional(count, 0),
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(EventLimits.page)), EventLimits.page),
  }),
};
export type EventRequest = v.InferOutput<(typeof requests)[keyof typeof requests]>;
/** A request as a client writes it: members with a default may be left out. */
export type EventRequestInput = v.InferInput<(typeof requests)[keyof typeof requests]>;

/** Server to client, by type. */
const events = {
  snapshot: v.object({
    v: version,
    type: v.literal('snapshot'),
    conversation: v.nullable(v.string()),
    number: count,
    muted: v.boolean(),
    silenced: v.boolean(),
    speak: v.optional(v.boolean()),
    deafened: v.boolean(),
    pinned: numbers,
    excluded: numbers,
    dominant: count,
    total: count,
    complete: v.boolean(),
    /** Older servers do not say it. */
    recording: v.optional(v.boolean()),
    participants: v.array(ParticipantSchema),
  }),
  participants: v.object({
    v: version,
    type: v.literal('participants'),
    total: count,
    complete: v.boolean(),
    changed: v.array(ParticipantSchema),
    left: numbers,
  }),
  slots: v.object({
    v: version,
    type: v.literal('slots'),
    slots: v.array(v.object({ mid: v.string(), number: count })),
  }),
  speaking: v.object({ v: version, type: v.literal('speaking'), started: numbers, stopped: numbers }),
  dominant: v.object({ v: version, type: v.literal('dominant'), number: count }),
  moved: v.object({ v: version, type: v.literal('moved'), conversation: v.string() }),
  left: v.object({ v: version, type: v.literal('left'), conversation: v.string(), kicked: v.boolean() }),
  silenced: v.object({ v: version, type: v.literal('silenced'), silenced: v.boolean() }),
  speak: v.object({ v: version, type: v.literal('speak'), speak: v.boolean() }),
  replaced: v.object({ v: version, type: v.literal('replaced') }),
  draining: v.object({ v: version, type: v.literal('draining'), within: count }),
  cluster: v.object({ v: version, type: v.literal('cluster'), whole: v.boolean() }),
  recording: v.object({ v: version, type: v.literal('recording'), recording: v.boolean() }),
  page: v.object({
    v: version,
    type: v.literal('page'),
    id,
    total: count,
    participants: v.array(ParticipantSchema),
    next: v.nullable(participantNumber),
  }),
  ok: v.object({ v: version, type: v.literal('ok'), id: requestId }),
  error: v.object({
    v: version,
    type: v.literal('error'),
    id,
    code: v.picklist(Object.keys(EventErrors) as EventErrorCode[]),
    detail: v.string(),
    next: v.string(),
  }),
};
export type ServerEvent = v.InferOutput<(typeof events)[keyof typeof events]>;

/** The schemas of each direction by type, for JSON schema files. */
export const REQUEST_SCHEMAS = requests;
export const EVENT_SCHEMAS = events;

/** The types of each direction, for the documentation's test. */
export const REQUEST_TYPES = Object.keys(requests) as EventRequest['type'][];
export const EVENT_TYPES = Object.keys(events) as ServerEvent['type'][];

/** A message that cannot be accepted, with the client's `id` if that could be read. */
export interface BadMessage {
  readonly code: EventErrorCode;
  readonly detail: string;
  readonly id?: number;
}

/** The result of reading a text. */
export type Reading<T> =
  | { readonly message: T; readonly bad: null }
  | { readonly message: null; readonly bad: BadMessage };

/** Reads a client's message. Never throws. */
export function readRequest(text: string): Reading<EventRequest> {
  if (text.length > EventLimits.messageLength) return refused('too-long', `the message has ${text.length} characters`);
  return read<EventRequest>(requests, parse(text));
}

/** Reads a message of the server, event by event. Never throws. A client should ignore `unknown-type`. */
export function readEvents(text: string): Reading<ServerEvent>[] {
  const json = parse(text);
  const list: readonly unknown[] = Array.isArray(json) ? json : [json];
  return list.map((one) => read<ServerEvent>(events, one));
}

/** Writes a client's message. @throws ValiError if the request does not fit the schema. */
export function writeRequest(request: EventRequestInput): string {
  return JSON.stringify(v.parse(requests[request.type] as v.GenericSchema<EventRequestInput>, request));
}

function read<T>(schemas: Readonly<Record<string, v.GenericSchema>>, json: unknown): Reading<T> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refused('not-json', 'the message is not a JSON object');
  }
  const raw = json as Readonly<Record<string, unknown>>;
  const known = v.safeParse(requestId, raw['id']);
  const requested = known.success ? known.output : undefined;
  if (raw['v'] !== EVENTS_VERSION) return refused('bad-version', `v must be ${EVENTS_VERSION}`, requested);
  const type = raw['type'];
  if (typeof type !== 'string' || !Object.hasOwn(schemas, type)) {
    return refused('unknown-type', 'the type is not known', requested);
  }
  const result = v.safeParse(schemas[type]!, raw, { abortEarly: true });
  if (result.success) return { message: result.output as T, bad: null };
  const path = v.getDotPath(result.issues[0]) ?? 'the message';
  return refused('bad-message', `${path} is missing or not what ${type} needs`, requested);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(code: EventErrorCode, detail: string, requested?: number): { message: null; bad: BadMessage } {
  return { message: null, bad: { code, detail, ...(requested === undefined ? {} : { id: requested }) } };
}
