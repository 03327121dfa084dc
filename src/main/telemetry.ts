/**
 * What happens and is counted, told where it happens, so that nothing there knows of metrics. What can be looked up
 * (gauges, the workers' counters) is not told but read when somebody asks; see `metrics.ts`.
 *
 * Every parameter that becomes a label is one of a fixed set: no ids, no text of a client's.
 */

import type { CloseKind, ProblemKind } from './errors.ts';

/** Why a connection ended. */
export const END_REASONS = ['replaced', 'gone', 'flooded', 'signalling', 'draining', 'full'] as const;
export type EndReason = (typeof END_REASONS)[number];

/**
 * Why a connection never stood. Those before the websocket are refusals, and counted by {@link Telemetry.refused};
 * those after it are its close codes and these:
 *
 * - `hung-up`: the client closed its websocket before it had the answer;
 * - `bad-frame`: the websocket library closed it, for a frame too large or text that is not UTF-8;
 * - `abandoned`: the request for a websocket was granted, but none came of it;
 * - `displaced`: it got nowhere, and a newer one needed its place.
 *
 * Who gives up after the answer, for a newer attempt say, is counted by what it was waiting for: `no-ice` or `no-dtls`.
 */
export type SetupFailure = Exclude<CloseKind, 'connected'> | 'hung-up' | 'bad-frame' | 'abandoned' | 'displaced';

/** What came of a `POST /join`: `full` is for memberships and conversations, `failed` for faults of the server or of those it asks. */
export type JoinOutcome = 'joined' | 'denied' | 'full' | 'conversation-full' | 'failed';

/** What whoever knows the permissions said; `timeout` and `failed` if nothing, or nothing that makes sense. */
export type PermissionOutcome = 'allowed' | 'denied' | 'timeout' | 'failed';

/** What a refused request was for: a websocket, `POST /join`, `DELETE /join`, or nothing of these. */
export type Asked = 'connect' | 'join' | 'leave' | 'other';

/** What an offer may have more of than is taken. */
export type Trimmed = 'slots' | 'candidates';

/** Called where something happens; never throws, costs next to nothing, and is never called for every packet. */
export interface Telemetry {
  /** A request was refused: one for a websocket is a failed setup, too. */
  refused(problem: ProblemKind, asked: Asked): void;
  /** A well-formed `POST /join` was answered. */
  joined(outcome: JoinOutcome): void;
  /** A `DELETE /join` was answered. */
  left(): void;
  /** Of an offer or what came after it so much was left out, for it was beyond a limit. */
  trimmed(what: Trimmed, count: number): void;
  /** Nothing of the RED that a connection sends can be read. */
  badRed(): void;
  /** A connection stands. @param setupMs from its request, milliseconds. */
  established(setupMs: number): void;
  /** A connection ended before it stood, after its request was granted. */
  failed(cause: SetupFailure): void;
  /** A connection that stood ended. @param lifeMs since it stood, milliseconds. */
  ended(reason: EndReason, lifeMs: number): void;
  /** A report said how long the way there and back is, milliseconds. */
  rtt(milliseconds: number): void;
  /** A report said which share of the packets was lost since the one before, 0 … 1. */
  loss(direction: 'uplink' | 'downlink', share: number): void;
  /** Permissions were asked for. @param milliseconds until the answer, or until none was waited for any more. */
  permission(outcome: PermissionOutcome, milliseconds: number): void;
  /** A permission was known from an answer that still holds. */
  permissionCached(): void;
}

/** For whoever counts nothing: tests, benchmarks. */
export const NO_TELEMETRY: Telemetry = {
  refused: () => undefined,
  joined: () => undefined,
  left: () => undefined,
  trimmed: () => undefined,
  badRed: () => undefined,
  established: () => undefined,
  failed: () => undefined,
  ended: () => undefined,
  rtt: () => undefined,
  loss: () => undefined,
  permission: () => undefined,
  permissionCached: () => undefined,
};
