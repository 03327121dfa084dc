/** Describes HTTP in OpenAPI 3.1, from the tables of routes and of problems: `npm run build:schema`. */
import { Problem, type ProblemKind } from '../src/main/errors.ts';
import { routes } from '../src/main/http/routes.ts';
import { acts, operatorRoutes } from '../src/main/operations/routes.ts';

interface Description {
  readonly summary: string;
  /** What the answer is if all is well. */
  readonly success: { readonly status: number; readonly description: string; readonly type?: string };
  /** Another answer that is no problem. */
  readonly also?: { readonly status: number; readonly description: string };
  /** Problems beside those of every route of the listener. */
  readonly problems?: readonly ProblemKind[];
  /** Names of the query, with what they are. */
  readonly query?: Readonly<Record<string, string>>;
}

type Row = { readonly method: string; readonly path: string; readonly acts?: boolean };

const DONE = { status: 200, description: 'Done; no body' } as const;
const JSON_BODY = 'application/json';
const WEBSOCKET = { status: 101, description: 'The websocket is open' } as const;

/** What any request may meet on either listener. */
const ANYWHERE: readonly ProblemKind[] = [
  'bad-request',
  'request-timeout',
  'headers-too-large',
  'internal',
  'too-many-sockets',
];
/** What any request of a client may meet. */
const OF_CLIENTS: readonly ProblemKind[] = ['bad-claim', 'forbidden'];

const PUBLIC: Readonly<Record<string, Description>> = {
  'GET /connect': {
    summary: 'Opens the websocket that carries an SDP offer, its answer and candidates',
    success: WEBSOCKET,
    problems: [
      'upgrade-required',
      'not-established',
      'too-many-connections',
      'full',
      'busy',
      'draining',
      'cluster-unavailable',
    ],
  },
  'GET /ice': {
    summary: 'Names the TURN servers, with credentials that expire',
    success: {
      status: 200,
      description: '`{ iceServers }` of an RTCConfiguration; empty without TURN_URLS',
      type: JSON_BODY,
    },
  },
  'POST /join/:conversationid': {
    summary: 'Moves the user into the conversation, with all of their clients',
    success: DONE,
    problems: [
      'bad-conversation',
      'not-permitted',
      'banned',
      'conversation-full',
      'too-many-joins',
      'full',
      'draining',
      'permissions-unavailable',
      'cluster-unavailable',
    ],
  },
  'DELETE /join/:conversationid': {
    summary: 'Takes the user out of the conversation, if they are in it',
    success: DONE,
    problems: ['bad-conversation', 'too-many-joins', 'draining', 'cluster-unavailable'],
  },
};

const PAGE = {
  after: 'The `next` of the page before; 0 for the first',
  limit: 'Conversations on a page, 1 to 1000 (100)',
};
const TAP = {
  foremost: 'Speakers that it gets at a time',
  recording: 'Whether people are told that they are recorded',
};

const OPERATORS: Readonly<Record<string, Description>> = {
  'GET /healthz': {
    summary: 'Whether the process works',
    success: ok('It works'),
    also: { status: 503, description: 'It does not; JSON with what is wrong' },
  },
  'GET /readyz': {
    summary: 'Whether new clients may connect; 503 if not',
    success: ok('JSON with `status` and `problems`'),
  },
  'GET /metrics': { summary: 'Metrics for Prometheus', success: { ...ok('Text format'), type: 'text/plain' } },
  'GET /conversations': {
    summary: 'Conversations, the oldest first',
    success: ok('`{ total, conversations, next }`'),
    query: PAGE,
  },
  'GET /conversations/:id': {
    summary: 'Who is in a conversation',
    success: ok('`{ id, users }`'),
    problems: ['not-found'],
  },
  'GET /conversations/:id/tap': {
    summary: 'Opens a websocket with the packets and events of a conversation',
    success: WEBSOCKET,
    problems: ['upgrade-required', 'full'],
    query: TAP,
  },
  'GET /users/:userid': { summary: 'Where a user is', success: ok('One user'), problems: ['not-found'] },
  'GET /cluster': {
    summary: 'The instances of the cluster',
    success: ok('One line an instance'),
    problems: ['not-found'],
  },
  ...commands({
    kick: 'Takes the user out of the conversation',
    unban: 'Ends a ban',
    mute: 'Stops the user’s packets until an operator unmutes them',
    unmute: 'Ends that mute',
    speak: 'Gives the user the right to speak in this conversation',
    listen: 'Takes it',
  }),
};

function ok(description: string): Description['success'] {
  return { status: 200, description, type: JSON_BODY };
}

function commands(all: Readonly<Record<string, string>>): Record<string, Description> {
  return Object.fromEntries(
    Object.entries(all).map(([name, summary]) => [
      `POST /conversations/:id/users/:userid/${name}`,
      {
        summary,
        success: DONE,
        problems: ['not-found', 'cluster-unavailable'],
        ...(name === 'kick' ? { query: { ban: 'Seconds for which their joins are refused, 1 to 2592000' } } : {}),
      },
    ]),
  );
}

/** Returns the documents, by file name. @throws Error if a route has no description, or a description no route. */
export function openApiFiles(): Map<string, string> {
  const nothing = {} as never;
  const clients = routes(nothing);
  const operators = operatorRoutes(nothing, nothing);
  return new Map([
    ['openapi.json', document('backend-webrtc', clients, PUBLIC, OF_CLIENTS, CLAIM)],
    ['openapi-operators.json', document('backend-webrtc, operators', operators, OPERATORS, ['forbidden'], TOKEN)],
  ]);
}

/** The proxy puts it there; clients send the proxy a token. */
export const CLAIM_HEADER = { in: 'header', name: 'X-User-Claim', description: 'JSON: `{ userid, clientid }`' };
const CLAIM = { claim: { type: 'apiKey', ...CLAIM_HEADER } };
const TOKEN = {
  operator: { type: 'http', scheme: 'bearer', description: 'The token in ADMIN_TOKEN_FILE, for whoever acts' },
};

function document(
  title: string,
  rows: readonly Row[],
  descriptions: Readonly<Record<string, Description>>,
  common: readonly ProblemKind[],
  securitySchemes: object,
): string {
  const paths: Record<string, Record<string, unknown>> = {};
  const described = new Set<string>();
  const [scheme] = Object.keys(securitySchemes);
  for (const row of rows) {
    const key = `${row.method} ${row.path}`;
    const description = descriptions[key];
    if (description === undefined) throw new Error(`${key} has no description`);
    described.add(key);
    const path = row.path.replaceAll(/:(\w+)/g, '{$1}');
    // Of the operators' routes only those that act ask for a token.
    const isOpen = scheme === 'operator' && !acts(row as never);
    const kinds = [
      ...ANYWHERE,
      ...common,
      ...(isOpen || scheme === 'claim' ? [] : OF_OPERATORS),
      ...(description.problems ?? []),
    ];
    paths[path] = {
      ...paths[path],
      [row.method.toLowerCase()]: operation(row, description, kinds, isOpen ? [] : [{ [scheme!]: [] }]),
    };
  }
  const unknown = Object.keys(descriptions).filter((key) => !described.has(key));
  if (unknown.length > 0) throw new Error(`there is no route ${unknown.join(', ')}`);
  const components = { securitySchemes, schemas: { Problem: PROBLEM } };
  return `${JSON.stringify({ openapi: '3.1.0', info: { title, version: VERSION }, paths, components }, null, 2)}\n`;
}

const OF_OPERATORS: readonly ProblemKind[] = ['bad-token'];
/** Of the API, which has not changed incompatibly within it. */
export const VERSION = '0.2';

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong, and what to do next' },
    requestid: { type: 'string' },
  },
  required: ['type', 'title', 'status', 'detail'],
};

function operation(
  { path }: Row,
  { summary, success, also, query = {} }: Description,
  kinds: readonly ProblemKind[],
  security: object[],
) {
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: TEXT })),
    ...Object.entries(query).map(([name, description]) => ({ name, in: 'query', description, schema: TEXT })),
  ];
  const content = success.type === undefined ? {} : { content: { [success.type]: {} } };
  const responses: Record<string, unknown> = { [success.status]: { description: success.description, ...content } };
  if (also !== undefined) responses[also.status] = { description: also.description };
  for (const status of [...new Set(kinds.map((kind) => Problem[kind].status))].sort()) {
    const titles = kinds.filter((kind) => Problem[kind].status === status).map((kind) => Problem[kind].title);
    const schema = { $ref: '#/components/schemas/Problem' };
    const others = also?.status === status ? [also.description] : [];
    responses[status] = {
      description: [...others, ...titles].join('; '),
      content: { 'application/problem+json': { schema } },
    };
  }
  return { summary, ...(parameters.length > 0 ? { parameters } : {}), security, responses };
}

const TEXT = { type: 'string' };
