/**
 * The course of one websocket: the client sends an offer, which waits for its turn, gets an answer, and sends candidates.
 * The socket closes with 1000 once the peer connection is established, or with a code that says why it is not.
 */
import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { WebSocket } from 'ws';
import type { Config } from '../config.ts';
import type { ConnectionWatcher } from '../connections/client-connection.ts';
import { Close, type CloseKind, closeReason } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { remote } from '../media/port-choice.ts';
import { writeAnswer } from '../sdp/answer.ts';
import {
  announce,
  offeredCandidates,
  parseCandidate,
  type RemoteCandidate,
  readCandidate,
  readTrickled,
} from '../sdp/candidates.ts';
import { looksLikeSdp, OfferError } from '../sdp/offer.ts';
import { planOffer } from '../sdp/plan.ts';
import type { EndReason, SetupFailure, Telemetry } from '../telemetry.ts';
import type { OfferQueue } from './offer-queue.ts';
import type { SignalledConnection, SignalledConnections } from './signalled.ts';

/**
 * How long the client's candidates are held back after the answer, milliseconds. With candidates, the server would
 * begin ICE and DTLS before the client has the answer. A client built on libdatachannel then sometimes fails to verify
 * the certificate, because it does not have the fingerprint yet.
 */
const CANDIDATE_HOLD_MS = 200;
/** Interval of pings, milliseconds: proxies cut a websocket on which nothing happens for 60 s. */
const PING_INTERVAL_MS = 20_000;
/** Messages that are neither candidates nor their end; with more of them, the client is cut off. */
const MAX_MALFORMED = 8;
/** Pings and pongs accepted. Browsers send none, and other clients have time for two or three. */
const MAX_CONTROL_FRAMES = 64;
/** Messages allowed in addition to four times the candidates allowed. */
const MAX_OTHER_MESSAGES = 64;

export type SignallingConfig = Pick<
  Config,
  | 'MAX_SLOTS'
  | 'MAX_MEDIA_LINES'
  | 'MAX_CANDIDATES'
  | 'PTIME_MS'
  | 'RED'
  | 'OFFER_TIMEOUT_MS'
  | 'CONNECT_TIMEOUT_MS'
  | 'ICE_TIMEOUT_MS'
  | 'ANNOUNCED_ADDRESS'
>;

export class Signalling<C extends SignalledConnection> implements ConnectionWatcher {
  private readonly socket: WebSocket;
  private readonly connection: C;
  private readonly connections: SignalledConnections<C>;
  private readonly offers: Pick<OfferQueue<C>, 'add' | 'drop'>;
  private readonly config: SignallingConfig;
  private readonly log: Log;
  private readonly telemetry: Telemetry;
  private timer: NodeJS.Timeout;
  private iceTimer: NodeJS.Timeout | undefined;
  private readonly pings: NodeJS.Timeout;
  /** When the client was able to begin ICE: the time of the answer or its last candidate, as of `performance.now()`. */
  private iceSince = 0;
  /** How long after the answer the websocket was closed, milliseconds; null while it is open. */
  private hungUpAfter: number | null = null;
  private hold: NodeJS.Timeout | undefined;
  private offered = false;
  private answered = false;
  private finished = false;
  /** The client's candidates that are held back; null once they go straight to the peer. */
  private held: string[] | null = [];
  private candidates = 0;
  private trickled = 0;
  private malformed = 0;
  private controlFrames = 0;
  /** Why the connection fails if the socket closes by itself. */
  private closedBy: SetupFailure = 'hung-up';

  /** Takes the socket over. From here on, its events drive everything. */
  constructor(
    socket: WebSocket,
    connection: C,
    connections: SignalledConnections<C>,
    offers: Pick<OfferQueue<C>, 'add' | 'drop'>,
    config: SignallingConfig,
    log: Log,
    telemetry: Telemetry,
  ) {
    this.socket = socket;
    this.connection = connection;
    this.connections = connections;
    this.offers = offers;
    this.config = config;
    this.log = log;
    this.telemetry = telemetry;
    connections.begin(connection, this);
    this.timer = setTimeout(
      () => this.fail('no-offer', `within ${config.OFFER_TIMEOUT_MS} ms`),
      config.OFFER_TIMEOUT_MS,
    );
    this.pings = setInterval(() => socket.ping(), PING_INTERVAL_MS).unref();
    socket.on('message', (data: Buffer, isBinary: boolean) => this.message(data, isBinary));
    // The library answers each ping.
    for (const kind of ['ping', 'pong'] as const) socket.on(kind, () => this.controlFrame());
    // The library closes with the right code (1009 for a frame too large, 1007 for bad UTF-8); "close" follows.
    socket.on('error', (error) => {
      log.debug({ connection: connection.logged, request: connection.request, err: error }, 'websocket error');
      this.closedBy = 'bad-frame';
    });
    socket.on('close', (code) => this.socketClosed(code));
    // A newer connection may have taken its place between the request and the websocket.
    if (connection.state === 'ended') this.finish('full', '');
  }

  /** The peer connection is established. */
  connected(): void {
    this.finish('connected', '');
  }

  /** The connection ended before it was established. */
  ended(reason: EndReason, detail: string, cause?: SetupFailure): void {
    switch (reason) {
      case 'replaced':
        return this.finish('replaced', detail);
      case 'draining':
        return this.finish('draining', '');
      case 'full':
        return this.finish('full', detail);
      case 'flooded':
        return this.finish('too-many-messages', detail);
      case 'gone':
        return this.finish('transport-failed', detail);
      case 'signalling':
        if (cause === 'address-in-use') return this.finish('address-in-use', detail);
        return this.finish('internal', detail);
      default:
        reason satisfies never;
    }
  }

  private message(data: Buffer, isBinary: boolean): void {
    if (this.finished) return;
    if (isBinary) return this.fail('binary-frame', '');
    const text = data.toString('utf8');
    if (!this.offered) {
      this.take(text);
    } else if (looksLikeSdp(text)) {
      this.fail('bad-sdp', 'one offer a connection; connect again to renegotiate');
    } else {
      this.trickle(text);
    }
  }

  private controlFrame(): void {
    if (++this.controlFrames <= MAX_CONTROL_FRAMES) return;
    this.fail('too-many-messages', 'pings and pongs');
    // If the socket is closing already, it would go on answering until the client closes too.
    this.socket.pause();
  }

  /** Lets the offer wait for its turn. The client has done its part: no timeout runs meanwhile. */
  private take(offer: string): void {
    const { connection } = this;
    this.offered = true;
    clearTimeout(this.timer);
    this.connections.offered(connection);
    const answer = (): void => void this.answer(offer).catch((error: unknown) => this.answerFailed(error));
    if (!this.offers.add(connection, answer)) this.fail('busy', '');
  }

  private async answer(offer: string): Promise<void> {
    const { config, connection } = this;
    const { MAX_SLOTS: maxSlots, MAX_MEDIA_LINES: maxLines, RED: red } = config;
    const plan = planOffer(offer, { maxSlots, maxLines, red });
    if (!this.connections.admit(connection)) return this.fail('full', '');
    this.log.debug({ connection: connection.id, request: connection.request, lines: plan.lines }, 'offer');
    // A browser repeats its candidates on every m-line. One message cannot be a flood.
    for (const line of new Set(offeredCandidates(offer))) this.addCandidate(readCandidate(line));
    if (plan.surplusSlots > 0) this.telemetry.trimmed('slots', plan.surplusSlots);
    this.timer = setTimeout(() => this.notConnected(config.CONNECT_TIMEOUT_MS), config.CONNECT_TIMEOUT_MS);
    const { local, ssrcs } = await this.connections.open(connection, plan, (this.held ?? []).map(addressOf));
    if (this.finished) return;
    const candidates = announce(local.candidates, config.ANNOUNCED_ADDRESS);
    const sessionId = String(randomInt(2 ** 47));
    this.socket.send(writeAnswer(plan, { ...local, candidates }, ssrcs, sessionId, config.PTIME_MS));
    this.answered = true;
    connection.answeredAt = performance.now();
    this.iceSince = connection.answeredAt;
    this.watchIce(config.ICE_TIMEOUT_MS);
    this.hold = setTimeout(() => this.releaseCandidates(), CANDIDATE_HOLD_MS);
  }

  private answerFailed(error: unknown): void {
    if (error instanceof OfferError) return this.fail(error.kind, error.message);
    const { id: connection, request } = this.connection;
    if (!this.finished) this.log.error({ connection, request, err: error }, 'offer could not be answered');
    this.fail('internal', 'the offer could not be answered');
  }

  /**
   * Takes a candidate. An honest client's first ones are its best: surplus ones are ignored, and a flood is cut off.
   */
  private trickle(text: string): void {
    const candidate = readTrickled(text);
    if (candidate.kind === 'malformed') this.malformed++;
    if (++this.trickled > 4 * this.config.MAX_CANDIDATES + MAX_OTHER_MESSAGES) {
      return this.fail('too-many-messages', 'more than any client has candidates');
    }
    if (this.malformed > MAX_MALFORMED) return this.fail('too-many-messages', 'that are not candidates');
    this.addCandidate(candidate);
  }

  private addCandidate(candidate: RemoteCandidate): void {
    if (candidate.kind === 'usable' || candidate.kind === 'unusable') this.iceSince = performance.now();
    if (candidate.kind !== 'usable') return;
    if (++this.candidates > this.config.MAX_CANDIDATES) return this.telemetry.trimmed('candidates', 1);
    if (this.held === null) this.connection.peer?.addCandidate(candidate.candidate);
    else this.held.push(candidate.candidate);
  }

  private releaseCandidates(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const candidate of held) this.connection.peer?.addCandidate(candidate);
  }

  /**
   * Ends a connection without ICE before the full timeout: a client that has the answer begins ICE within a second, or
   * as soon as it has a candidate.
   */
  private watchIce(wait: number): void {
    this.iceTimer = setTimeout(() => {
      const { ICE_TIMEOUT_MS } = this.config;
      const left = this.iceSince + ICE_TIMEOUT_MS - performance.now();
      if (this.connection.reachable) return;
      if (left > 0) this.watchIce(left);
      else this.notConnected(ICE_TIMEOUT_MS);
    }, wait);
  }

  private notConnected(within: number): void {
    if (this.connection.awaitsMembership) {
      this.fail('internal', `the membership was not known in ${within} ms`);
    } else if (this.connection.reachable) {
      this.fail('no-dtls', `ICE connected, DTLS did not in ${within} ms; the client may have rejected the answer`);
    } else {
      // A client that rejects the answer usually hangs up at once.
      const hint = this.hungUpAfter === null ? '' : `; it hung up ${this.hungUpAfter} ms after the answer`;
      this.fail('no-ice', `no ICE check succeeded in ${within} ms: UDP is blocked, or the answer was rejected${hint}`);
    }
  }

  /** Ends the connection and the socket. */
  private fail(kind: Exclude<CloseKind, 'connected'>, detail: string): void {
    if (this.finished) return;
    this.finish(kind, detail);
    // The detail of a bad offer quotes it; the client's own words are only for the debug log.
    const quotes = kind === 'bad-sdp' || kind === 'no-audio';
    const { logged, request } = this.connection;
    if (quotes) this.log.debug({ connection: logged, request, detail }, 'offer refused');
    this.connections.end(this.connection, 'signalling', closeReason(kind, quotes ? '' : detail), kind);
  }

  private finish(kind: CloseKind, detail: string): void {
    if (this.finished) return;
    this.finished = true;
    this.offers.drop(this.connection);
    clearTimeout(this.timer);
    clearTimeout(this.iceTimer);
    clearInterval(this.pings);
    // Candidates that are still held back are no longer needed.
    clearTimeout(this.hold);
    const request = kind === 'connected' ? null : this.connection.request;
    this.socket.close(Close[kind].code, closeReason(kind, detail, request));
    // The rest of a flood is not read. The close handshake's timeout ends the socket.
    if (kind === 'too-many-messages') this.socket.pause();
  }

  /** A client may hang up once it has the answer. If it does so earlier, the connection ends. */
  private socketClosed(code: number): void {
    clearInterval(this.pings);
    if (this.answered) this.hungUpAfter = Math.round(performance.now() - this.connection.answeredAt);
    if (this.finished || this.answered) return;
    this.finished = true;
    this.offers.drop(this.connection);
    clearTimeout(this.timer);
    const why = `the websocket closed before the answer (${code})`;
    this.connections.end(this.connection, 'signalling', why, this.closedBy);
  }
}

function addressOf(candidate: string): string {
  const { address, port } = parseCandidate(candidate)!;
  return remote(address, port);
}
