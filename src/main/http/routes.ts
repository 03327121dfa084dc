/**
 * What clients can ask for. Another endpoint is another row, with its handler in a file of its own.
 */
import type { WebSocket } from 'ws';
import type { Claim } from '../claim.ts';
import type { Done, Requester } from '../memberships/memberships.ts';
import type { Asked } from '../telemetry.ts';
import type { Answer } from './answer.ts';
import { conversationId } from './paths.ts';
import type { Params, Row } from './route-table.ts';

/** A request of a client whose claim could be read. */
export interface ClientRequest {
  readonly claim: Claim;
  readonly params: Params;
  /** Whether the client hung up, so that nobody reads the answer. */
  gone(): boolean;
}

/** A route that answers. The body of the request is thrown away, and so is the query, which may hold a token. */
export interface AnsweringRoute extends Row {
  /** What its refusals are counted as; `other` unless given. */
  readonly asked?: Asked;
  /**
   * Answers 200 without a body unless it returns an answer.
   *
   * @throws RequestError, or rejects with one, if the request is refused.
   */
  answer(request: ClientRequest): Answer | undefined | Promise<Answer | undefined>;
}

/** What is done with a websocket. */
export interface Upgrade {
  opened(socket: WebSocket): void;
  /** It did not come to be. */
  abandoned(): void;
}

/** A route that opens a websocket. */
export interface WebsocketRoute extends Row {
  readonly method: 'GET';
  /** @throws RequestError if the websocket is refused. */
  upgrade(claim: Claim): Upgrade;
}

export type Route = AnsweringRoute | WebsocketRoute;

/** What the routes lead to. */
export interface RouteTargets {
  readonly memberships: {
    join(userid: string, conversation: string, by: Requester): Done;
    leave(userid: string, conversation: string, by: Requester): Done;
  };
  connect(claim: Claim): Upgrade;
}

/** The table of the public listener. */
export function routes({ memberships, connect }: RouteTargets): readonly Route[] {
  const membership = {
    path: '/join/:conversationid',
    aliases: ['/join/', '/join'],
    badPath: 'bad-conversation',
  } as const;
  return [
    { method: 'GET', path: '/connect', upgrade: connect },
    {
      ...membership,
      method: 'POST',
      asked: 'join',
      answer: ({ claim: { userid, clientid }, params, gone }) =>
        memberships.join(userid, conversationId(params['conversationid']), { clientid, gone }),
    },
    {
      ...membership,
      method: 'DELETE',
      asked: 'leave',
      answer: ({ claim: { userid, clientid }, params, gone }) =>
        memberships.leave(userid, conversationId(params['conversationid']), { clientid, gone }),
    },
  ];
}
