/** The websockets of taps: `GET /conversations/:id/tap` on the operators' listener. */
import type { WebSocket } from 'ws';
import type { Config } from '../config.ts';
import { Close, closeReason, RequestError } from '../errors.ts';
import { conversationId } from '../http/paths.ts';
import type { Log } from '../log/log.ts';
import type { TapOptions } from '../taps/tap.ts';
import type { Taps } from '../taps/taps.ts';

/** How often a reader is asked for a sign of life, milliseconds; without one since the last time it is hung up on. */
const PING_MS = 20_000;
/** Most speakers that `foremost` may ask for. */
const MAX_FOREMOST = 1000;

/** Told of recordings. */
export interface RecordingObserver {
  /** A recording of a conversation begins. @returns a function that tells that it has ended; it may be called again. */
  recording(conversation: string): () => void;
}

/** Serves a websocket that was granted. */
export type Serve = (socket: WebSocket) => void;

export class TapSockets {
  private readonly taps: Taps;
  private readonly config: Pick<Config, 'MAX_TAPS'>;
  private readonly log: Log;
  private readonly observer: RecordingObserver | null;
  /** Tell that each recording has ended. */
  private readonly recordings = new Set<() => void>();
  private closed = false;

  constructor(taps: Taps, config: Pick<Config, 'MAX_TAPS'>, log: Log, observer: RecordingObserver | null = null) {
    this.observer = observer;
    this.taps = taps;
    this.config = config;
    this.log = log;
  }

  /**
   * Grants a tap.
   *
   * @param id of the conversation, which anybody may be in or nobody yet. @param query `foremost`, `recording`.
   * @throws RequestError to refuse it.
   */
  grant(id: string, query: URLSearchParams): Serve {
    const conversation = conversationId(id);
    const options = readOptions(query);
    const { MAX_TAPS } = this.config;
    if (this.closed) throw new RequestError('draining', 'The server is shutting down.', { 'Retry-After': '1' });
    if (this.taps.count >= MAX_TAPS) {
      throw new RequestError('full', `All ${MAX_TAPS} taps (MAX_TAPS) are in use.`, { 'Retry-After': '5' });
    }
    return (socket) => this.serve(socket, conversation, options);
  }

  /** Ends all taps. */
  close(): void {
    this.closed = true;
    this.taps.close(Close.draining.code, closeReason('draining'));
    for (const ended of this.recordings) ended();
  }

  private serve(socket: WebSocket, conversation: string, options: TapOptions): void {
    const { log } = this;
    socket.binaryType = 'nodebuffer';
    const { tap, end } = this.taps.open(conversation, socket, options);
    log.info({ conversation, ...options }, 'a tap was opened');
    const ended = options.recording ? this.observer?.recording(conversation) : undefined;
    if (ended !== undefined) this.recordings.add(ended);
    let alive = true;
    socket.on('pong', () => {
      alive = true;
    });
    const pings = setInterval(() => {
      if (!alive) socket.terminate();
      alive = false;
      socket.ping();
    }, PING_MS).unref();
    // What follows is the event `close`.
    socket.on('error', (err) => log.debug({ conversation, err }, "a tap's websocket failed"));
    socket.once('close', (code) => {
      clearInterval(pings);
      end();
      if (ended !== undefined && this.recordings.delete(ended)) ended();
      log.info({ conversation, code, packets: tap.sent, lost: tap.lostInAll }, 'a tap was closed');
    });
  }
}

function readOptions(query: URLSearchParams): TapOptions {
  const foremost = query.get('foremost') ?? '0';
  if (!/^\d{1,4}$/.test(foremost) || Number(foremost) > MAX_FOREMOST) {
    throw new RequestError('bad-request', `foremost must be a whole number from 0 (everybody) to ${MAX_FOREMOST}.`);
  }
  const recording = query.get('recording') ?? '1';
  if (recording !== '0' && recording !== '1') {
    throw new RequestError('bad-request', 'recording must be 1, or 0 for a reader that keeps nothing.');
  }
  return { foremost: Number(foremost), recording: recording === '1' };
}
