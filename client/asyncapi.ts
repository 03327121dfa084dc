/** Describes the websocket and the data channel for events in AsyncAPI 3.0, as the server sees them. */
import type * as v from 'valibot';
import { Close } from '../src/main/errors.ts';
import {
  EVENT_SCHEMAS,
  EVENTS_LABEL,
  EventErrors,
  EventLimits,
  ParticipantSchema,
  REQUEST_SCHEMAS,
} from '../src/main/events/schema.ts';
import { CandidateInit } from '../src/main/sdp/candidates.ts';
import { jsonSchema } from './json-schema.ts';
import { CLAIM_HEADER, VERSION } from './openapi.ts';

type EventType = keyof typeof EVENT_SCHEMAS;
type RequestType = keyof typeof REQUEST_SCHEMAS;

const EVENTS: Readonly<Record<EventType, string>> = {
  snapshot: 'Everything about the conversation and this client in it; replaces what was known before',
  participants: 'People who came or changed, and the numbers of those who left',
  slots: 'Who is in these slots of this client now',
  speaking: 'Who started and who stopped speaking',
  dominant: 'Who is the dominant speaker now',
  moved: 'The user joined a conversation; a snapshot follows',
  left: 'The user left their conversation; a snapshot follows',
  silenced: 'An operator muted or unmuted the user',
  speak: 'The user got or lost the right to speak',
  replaced: 'A newer connection of the same client ends this one',
  draining: 'The server shuts down, and the connection ends within so many milliseconds',
  cluster: 'Whether all other instances can be reached',
  recording: 'Whether the conversation is recorded',
  page: 'The answer to a request for participants',
  ok: 'The answer to a request that was carried out',
  error: 'The answer to a bad message or request, or what is wrong with the client’s packets',
};

const REQUESTS: Readonly<Record<RequestType, { readonly summary: string; readonly answer: EventType }>> = {
  mute: { summary: 'Stops the packets of this connection, or lets them go on', answer: 'ok' },
  deafen: { summary: 'Stops media to this connection, or lets it go on', answer: 'ok' },
  hand: { summary: 'Raises this client’s hand, or lowers it', answer: 'ok' },
  pin: { summary: 'Names those who get this client’s slots before all others', answer: 'ok' },
  exclude: { summary: 'Names those who never get this client’s slots', answer: 'ok' },
  participants: { summary: 'Asks for a page of the participants', answer: 'page' },
};

/** What the websocket library closes with by itself. */
const OF_THE_LIBRARY = [
  { code: 1007, reason: '', description: 'A text frame is not UTF-8' },
  { code: 1008, reason: '', description: 'A message has too many fragments' },
  { code: 1009, reason: '', description: 'A frame has more than MAX_OFFER_BYTES' },
];

const SDP = { type: 'string', pattern: '^v=0\\r?\\n' };
const MESSAGES = {
  offer: { summary: 'The SDP offer, first and once', contentType: 'application/sdp', payload: SDP },
  answer: {
    summary: 'The SDP answer, with all of the server’s candidates',
    contentType: 'application/sdp',
    payload: SDP,
  },
  candidate: {
    summary: 'A candidate as its line, as JSON, or the end of them; any number of times after the offer',
    contentType: 'text/plain',
    payload: {
      oneOf: [
        {
          description: 'The text is a candidate’s line, or the end of candidates',
          type: 'string',
          pattern: '^\\s*(a=)?(candidate:\\S.*|end-of-candidates)?\\s*$',
        },
        { description: 'The text is the JSON of an RTCIceCandidateInit', ...draft07(CandidateInit) },
        { description: 'The text is the JSON null, which browsers give at the end', type: 'null' },
      ],
    },
  },
};

/** Returns the document. */
export function asyncApiFile(): string {
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'backend-webrtc',
      version: VERSION,
      description: 'A voice SFU. Send and receive are the server’s. OpenAPI has the requests over HTTP.',
    },
    servers: SERVERS,
    channels: { connect: connectChannel(), events: eventsChannel() },
    operations: operations(),
    components: {
      messages: { ...MESSAGES, ...jsonMessages() },
      schemas: { Participant: draft07(ParticipantSchema), ...eventSchemas() },
      securitySchemes: { claim: { ...CLAIM_HEADER, type: 'httpApiKey' } },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const SERVERS = {
  signalling: {
    host: '{host}',
    pathname: '{path}',
    protocol: 'wss',
    description: 'Where the proxy publishes the service',
    variables: {
      host: { description: 'The proxy’s host, and its port unless that is 443' },
      path: { default: '/webrtc', description: 'What the proxy puts before the service’s paths' },
    },
    security: [ref('components/securitySchemes/claim')],
  },
  connection: {
    host: '{candidate}',
    protocol: 'webrtc',
    description: 'The peer connection that the offer and the answer set up: SCTP over DTLS over ICE',
    variables: { candidate: { description: 'An address and port out of the answer' } },
  },
};

function connectChannel(): object {
  const closeCodes = [...Object.values(Close), ...OF_THE_LIBRARY];
  const once = new Map(closeCodes.map((one) => [`${one.code} ${one.reason}`, one]));
  return {
    address: '/connect',
    summary: 'One offer, one answer, candidates; the server closes it with 1000 once the connection is established',
    servers: [ref('servers/signalling')],
    messages: refs(Object.keys(MESSAGES)),
    bindings: {
      ws: {
        method: 'GET',
        query: {
          type: 'object',
          properties: {
            token: { type: 'string', description: 'For the proxy, where a browser can send no header' },
          },
        },
        bindingVersion: '0.1.0',
      },
    },
    // A reason may go on with a detail.
    'x-close-codes': [...once.values()].sort((a, b) => a.code - b.code),
  };
}

function eventsChannel(): object {
  return {
    address: EVENTS_LABEL,
    summary: `The data channel labelled ${EVENTS_LABEL}, which the client opens before it makes the offer`,
    description: `A message of the client has at most ${EventLimits.messageLength} characters.`,
    servers: [ref('servers/connection')],
    messages: refs(Object.keys(jsonMessages())),
    'x-errors': EventErrors,
  };
}

function operations(): object {
  const connect = ref('channels/connect');
  const events = ref('channels/events');
  const received = Object.entries(REQUESTS).map(([type, { summary, answer }]) => [
    type,
    {
      action: 'receive',
      summary,
      channel: events,
      messages: of('events', `request.${type}`),
      reply: { channel: events, messages: of('events', `event.${answer}`, 'event.error') },
    },
  ]);
  return {
    offer: {
      action: 'receive',
      summary: MESSAGES.offer.summary,
      channel: connect,
      messages: of('connect', 'offer'),
      reply: { channel: connect, messages: of('connect', 'answer') },
    },
    candidate: {
      action: 'receive',
      summary: MESSAGES.candidate.summary,
      channel: connect,
      messages: of('connect', 'candidate'),
    },
    ...Object.fromEntries(received),
    tell: {
      action: 'send',
      summary: 'Says what there is and what changes; an error without an id answers no request',
      channel: events,
      messages: of('events', ...Object.keys(jsonMessages()).filter((name) => !/^request|\.(ok|page)$/.test(name))),
    },
  };
}

function jsonMessages(): Record<string, object> {
  const contentType = 'application/json';
  const told = Object.entries(EVENTS).map(([type, summary]) => [
    `event.${type}`,
    { name: type, summary, contentType, payload: ref(`components/schemas/event.${type}`) },
  ]);
  const asked = Object.entries(REQUESTS).map(([type, { summary }]) => [
    `request.${type}`,
    { name: type, summary, contentType, payload: draft07(REQUEST_SCHEMAS[type as RequestType]) },
  ]);
  const list = {
    summary: 'Several events, in order',
    contentType,
    payload: {
      type: 'array',
      items: { oneOf: Object.keys(eventSchemas()).map((id) => ref(`components/schemas/${id}`)) },
    },
  };
  return { ...Object.fromEntries(told), events: list, ...Object.fromEntries(asked) };
}

function eventSchemas(): Record<string, object> {
  return Object.fromEntries(Object.entries(EVENT_SCHEMAS).map(([type, schema]) => [`event.${type}`, draft07(schema)]));
}

/** AsyncAPI's own schemas are a superset of this draft. */
function draft07(schema: v.GenericSchema): object {
  const { $schema, $defs, ...json } = jsonSchema(schema, {
    target: 'draft-07',
    definitions: schema === ParticipantSchema ? {} : { Participant: ParticipantSchema },
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  });
  return json;
}

function ref(path: string): { readonly $ref: string } {
  return { $ref: `#/${path}` };
}

/** Returns a channel's messages, which are those of the components with the same names. */
function refs(names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, ref(`components/messages/${name}`)]));
}

/** Returns messages for an operation, which has to name them in its channel. */
function of(channel: string, ...names: string[]): object[] {
  return names.map((name) => ref(`channels/${channel}/messages/${name}`));
}
