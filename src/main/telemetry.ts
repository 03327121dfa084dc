/**
 * Events that are counted, reported where they happen by code that knows nothing of metrics. Gauges and the workers'
 * counters are not reported, but read at each scrape; see `metrics.ts`.
 *
 * Each parameter that becomes a label is from a fixed set. It is never an id or a client's text.
 */

import type { CloseKind, ProblemKind } from './errors.ts';

/** Why a connection ended. */
export const END_REASONS = ['replaced', 'gone', 'flooded', 'signalling', 'draining', 'full'] as const;
export type EndReason = (typeof END_REASONS)[number];

/**
 * Why a connection was never established. Before the websocket is open, {@link Telemetry.refused} counts refusals.
 * After that the reasons are the close codes and these:
 *
 * - `hung-up`: the client closed its websocket before it had the answer;
 * - `bad-frame`: the websocket library closed it because of a frame too large or text that is not UTF-8;
 * - `abandoned`: a websocket was granted, but the client went away before it was open;
 * - `displaced`: it made no progress, and a newer connection needed its place.
 *
 * If a client gives up after the answer, for a newer attempt for example, the cause is what it waited for: `no-ice` or
 * `no-dtls`.
 */
export type SetupFailure = Exclude<CloseKind, 'connected'> | 'hung-up' | 'bad-frame' | 'abandoned' | 'displaced';

/**
 * The outcome of a `POST /join`: `full` means no room for another membership or conversation, `failed` means a fault of
 * the server, the permission service or the cluster.
 */
export type JoinOutcome = 'joined' | 'denied' | 'full' | 'conversation-full' | 'failed';

/** The answer of the permission service; `timeout` and `failed` if there is none, or none that makes sense. */
export type PermissionOutcome = 'allowed' | 'denied' | 'timeout' | 'failed';

/** What a refused request asked for: a websocket, `POST /join`, `DELETE /join`, or something else. */
export type Asked = 'connect' | 'join' | 'leave' | 'other';

/** Things of which an offer may have more than are used. */
export type Trimmed = 'slots' | 'candidates';

/** Takes reports of events. Never throws, costs next to nothing, and is not called for each packet. */
export interface Telemetry {
  /** A request was refused. If it was for a websocket, it counts as a failed setup, too. */
  refused(problem: ProblemKind, asked: Asked): void;
  /** A well-formed `POST /join` was answered. */
  joined(outcome: JoinOutcome): void;
  /** A `DELETE /join` was answered. */
  left(): void;
  /** So many parts of an offer, or of the messages after it, were ignored because they exceed a limit. */
  trimmed(what: Trimmed, count: number): void;
  /** The RED that a connection sends is unreadable. */
  badRed(): void;
  /** An offer's turn came. @param milliseconds how long it had waited. */
  offerWaited(milliseconds: number): void;
  /** A connection was established. @param setupMs time since its request, milliseconds. */
  established(setupMs: number): void;
  /** A connection ended before it was established, but after its request was granted. */
  failed(cause: SetupFailure): void;
  /** An established connection ended. @param lifeMs time since it was established, milliseconds. */
  ended(reason: EndReason, lifeMs: number): void;
  /** A client reported its round trip time, milliseconds. */
  rtt(milliseconds: number): void;
  /** A report gave the share of packets lost since the previous report, 0 … 1. */
  loss(direction: 'uplink' | 'downlink', share: number): void;
  /** The permission service was asked. @param milliseconds time until the answer or the time-out. */
  permission(outcome: PermissionOutcome, milliseconds: number): void;
  /** A permission was still known from an earlier answer. */
  permissionCached(): void;
}

/** Counts nothing, for tests and benchmarks. */
export const NO_TELEMETRY: Telemetry = {
  refused: () => undefined,
  joined: () => undefined,
  left: () => undefined,
  trimmed: () => undefined,
  badRed: () => undefined,
  offerWaited: () => undefined,
  established: () => undefined,
  failed: () => undefined,
  ended: () => undefined,
  rtt: () => undefined,
  loss: () => undefined,
  permission: () => undefined,
  permissionCached: () => undefined,
};
