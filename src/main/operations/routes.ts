/** The routes of the operators' listener. A new command is a new row, and a method of {@link Operator}. */
import { RequestError } from '../errors.ts';
import { type Answer, json } from '../http/answer.ts';
import type { Params, Row } from '../http/route-table.ts';
import type { Operator } from './operator.ts';
import type { Serve, TapSockets } from './tap-sockets.ts';

/** Conversations on a page, by default and at most. */
const PAGE = 100;
const MAX_PAGE = 1000;
/** Longest ban, seconds: 30 days. */
const MAX_BAN_S = 30 * 24 * 3600;
/** The answer to a command that was carried out. */
const CARRIED_OUT: Answer = { status: 200, headers: { 'Content-Type': 'text/plain' }, body: '' };

export interface OperatorRoute extends Row {
  readonly method: 'GET' | 'POST';
  /** Whether it is for operators alone (`admin-token.ts`); by default whatever is no GET does. */
  readonly acts?: boolean;
  /** What its query may have, if it acts: a name that is misspelled must not do something else. None by default. */
  readonly query?: readonly string[];
  /** Handles a request. @throws RequestError, or rejects with one, to refuse it. */
  answer(params: Params, query: URLSearchParams): Answer | Promise<Answer>;
  /** Grants a websocket instead, if the request asks for one. @throws RequestError to refuse it. */
  upgrade?(params: Params, query: URLSearchParams): Serve;
}

/** Whether a route changes something, or tells what nobody but an operator may know. */
export function acts({ acts: told, method }: Pick<OperatorRoute, 'acts' | 'method'>): boolean {
  return told ?? method !== 'GET';
}

/** Returns the table of `METRICS_LISTEN`: health and metrics. */
export function metricsRoutes(operator: Operator): readonly OperatorRoute[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      answer: () => {
        const health = operator.health();
        return json(health, health.healthy ? 200 : 503);
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      answer: () => {
        const readiness = operator.readiness();
        return json(readiness, readiness.ready ? 200 : 503);
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      answer: async () => {
        const { contentType, body } = await operator.metrics();
        return { status: 200, headers: { 'Content-Type': contentType }, body };
      },
    },
  ];
}

/** Returns the table of `ADMIN_LISTEN`: everything. */
export function operatorRoutes(operator: Operator, taps: Pick<TapSockets, 'grant'>): readonly OperatorRoute[] {
  return [
    ...metricsRoutes(operator),
    {
      method: 'GET',
      path: '/conversations',
      answer: (_, query) => {
        const after = wholeNumber(query, 'after', 0, Number.MAX_SAFE_INTEGER, 0);
        return json(operator.conversations(after, wholeNumber(query, 'limit', 1, MAX_PAGE, PAGE)));
      },
    },
    {
      method: 'GET',
      path: '/conversations/:id',
      answer: async ({ id = '' }) => json(await operator.conversation(id)),
    },
    {
      method: 'GET',
      path: '/conversations/:id/tap',
      acts: true,
      query: ['foremost', 'recording'],
      upgrade: ({ id = '' }, query) => taps.grant(id, query),
      answer: () => {
        const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
        throw new RequestError('upgrade-required', 'Open /conversations/:id/tap as a websocket.', headers);
      },
    },
    { method: 'GET', path: '/users/:userid', answer: async ({ userid = '' }) => json(await operator.user(userid)) },
    { method: 'GET', path: '/cluster', answer: () => json(operator.cluster()) },
    {
      ...command('kick', (conversation, userid, query) => {
        if (!query.has('ban')) return operator.kick(conversation, userid);
        return operator.ban(conversation, userid, wholeNumber(query, 'ban', 1, MAX_BAN_S, 0));
      }),
      query: ['ban'],
    },
    command('unban', (conversation, userid) => operator.ban(conversation, userid, null)),
    command('mute', (conversation, userid) => operator.mute(conversation, userid, true)),
    command('unmute', (conversation, userid) => operator.mute(conversation, userid, false)),
    command('speak', (conversation, userid) => operator.letSpeak(conversation, userid, true)),
    command('listen', (conversation, userid) => operator.letSpeak(conversation, userid, false)),
  ];
}

/** Refuses a query that a route which acts does not understand. @throws RequestError `bad-request` */
export function checkQuery({ path, query: known = [] }: OperatorRoute, query: URLSearchParams): void {
  for (const name of new Set(query.keys())) {
    const may = known.length === 0 ? 'no query' : `the query ${known.join(', ')}`;
    if (!known.includes(name)) throw new RequestError('bad-request', `${path} takes ${may}, not ${name}.`);
    if (query.getAll(name).length > 1) throw new RequestError('bad-request', `${name} is there more than once.`);
  }
}

/** Returns the row of a command for a user of a conversation. */
function command(
  name: string,
  act: (conversation: string, userid: string, query: URLSearchParams) => Promise<undefined> | undefined,
): OperatorRoute {
  return {
    method: 'POST',
    path: `/conversations/:id/users/:userid/${name}`,
    answer: async ({ id = '', userid = '' }, query) => {
      await act(id, userid, query);
      return CARRIED_OUT;
    },
  };
}

/** Reads a whole number from a query. @throws RequestError `bad-request` */
function wholeNumber(query: URLSearchParams, name: string, least: number, most: number, otherwise: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new RequestError('bad-request', `${name} must be a whole number from ${least} to ${most}.`);
}
