/**
 * The routes of the public listener. A new endpoint is a new row, and a handler in its own file.
 */
import type { WebSocket } from 'ws';
import type { Claim } from '../claim.ts';
import type { Done, Requester } from '../memberships/memberships.ts';
import type { Asked } from '../telemetry.ts';
import type { Answer } from './answer.ts';
import { conversationId } from './paths.ts';
import type { Params, Row } from './route-table.ts';

/** A request with a valid claim. */
export interface ClientRequest {
  /** The proxy's id of the request, or one made here. */
  readonly id: string;
  readonly claim: Claim;
  readonly params: Params;
  /** Whether the client has hung up, so that nobody reads the answer. */
  gone(): boolean;
}

/** A route with an answer. Its handler gets neither the body of the request nor the query, which may hold a token. */
export interface AnsweringRoute extends Row {
  /** What refused requests are counted as; `other` by default. */
  readonly asked?: Asked;
  /**
   * Handles a request. Without an answer the client gets 200 and no body.
   *
   * @throws RequestError, or rejects with one, to refuse the request.
   */
  answer(request: ClientRequest): Answer | undefined | Promise<Answer | undefined>;
}

/** What happens after a websocket was granted. */
export interface Upgrade {
  opened(socket: WebSocket): void;
  /** The client went away before the websocket was open. */
  abandoned(): void;
}

/** A route that opens a websocket. */
export interface WebsocketRoute extends Row {
  readonly method: 'GET';
  /** Grants a websocket. @param request its id. @throws RequestError to refuse it. */
  upgrade(claim: Claim, request: string): Upgrade;
  /**
   * Checks whether anybody gets a websocket now. A browser tells a page nothing of a refusal: the page asks again without
   * an upgrade, to learn the reason.
   *
   * @throws RequestError if not.
   */
  check(): void;
}

export type Route = AnsweringRoute | WebsocketRoute;

/** What the handlers work with. */
export interface RouteTargets {
  readonly memberships: {
    join(userid: string, conversation: string, by: Requester): Done;
    leave(userid: string, conversation: string, by: Requester): Done;
  };
  connect(claim: Claim, request: string): Upgrade;
  readonly offers: { makeSureOfRoom(): void };
  readonly ice: { answer(claim: Claim): Answer };
}

/** Returns the table. */
export function routes({ memberships, connect, offers, ice }: RouteTargets): readonly Route[] {
  const membership = {
    path: '/join/:conversationid',
    aliases: ['/join/', '/join'],
    badPath: 'bad-conversation',
  } as const;
  return [
    { method: 'GET', path: '/connect', upgrade: connect, check: () => offers.makeSureOfRoom() },
    { method: 'GET', path: '/ice', answer: ({ claim }) => ice.answer(claim) },
    {
      ...membership,
      method: 'POST',
      asked: 'join',
      answer: ({ id: request, claim: { userid, clientid }, params, gone }) =>
        memberships.join(userid, conversationId(params['conversationid']), { request, clientid, gone }),
    },
    {
      ...membership,
      method: 'DELETE',
      asked: 'leave',
      answer: ({ id: request, claim: { userid, clientid }, params, gone }) =>
        memberships.leave(userid, conversationId(params['conversationid']), { request, clientid, gone }),
    },
  ];
}
