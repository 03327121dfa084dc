/** Sends requests on the events channel, paced so that the server never sees a flood, and matches the responses. */
import { eventError, VoiceError } from './errors.ts';
import { type Request, type ServerEvent, writeRequest } from './protocol.ts';

/** The server accepts 20 at once and 10 a second; half of that leaves room for a clock that runs fast. */
const BURST = 10;
const INTERVAL_MS = 200;
/** Maximum number of requests waiting to be sent. */
const MAX_WAITING = 50;
/** Response timeout, milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

interface Waiting {
  readonly resolve: (event: ServerEvent) => void;
  readonly reject: (error: VoiceError) => void;
  timer?: ReturnType<typeof setTimeout>;
}

export class Requests {
  readonly #send: (text: string) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: { id: number; request: Request }[] = [];
  #lastId = 0;
  #allowance = BURST;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  /** @param send may throw. */
  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /**
   * Sends a request and waits for the response. `mute` and `deafen` replace such a request that is still waiting to be
   * sent.
   *
   * @param timeout for the response, milliseconds.
   * @throws VoiceError `refused` with the server's reason, `not-connected`, `timeout`, `superseded`
   */
  ask(request: Request, timeout = ANSWER_TIMEOUT_MS): Promise<ServerEvent> {
    if (this.#closed) return Promise.reject(ended());
    if (request.type === 'mute' || request.type === 'deafen') this.#supersede(request.type);
    if (this.#queue.length >= MAX_WAITING) {
      return Promise.reject(new VoiceError('refused', 'Too many requests are waiting: send fewer.'));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const late = new VoiceError('timeout', `No response to ${request.type} within ${timeout} ms.`, {
        retryable: true,
      });
      const timer = setTimeout(() => this.#fail(id, late), timeout);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#queue.push({ id, request });
      this.#flush();
    });
  }

  /** Handles an event that may be a response. */
  handle(event: ServerEvent): void {
    if (!('id' in event) || event.id === undefined) return;
    if (event.type === 'error') return this.#fail(event.id, eventError(event));
    this.#take(event.id)?.resolve(event);
  }

  /** Rejects all requests: the channel is closed. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#queue.length = 0;
    for (const id of [...this.#waiting.keys()]) this.#fail(id, ended());
  }

  #fail(id: number, error: VoiceError): void {
    this.#take(id)?.reject(error);
  }

  /** Takes a request that waits for its response off the list. */
  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  /** Only the latest counts, and it must find room: push-to-talk may toggle faster than requests may be sent. */
  #supersede(type: Request['type']): void {
    const index = this.#queue.findIndex(({ request }) => request.type === type);
    if (index < 0) return;
    const [old] = this.#queue.splice(index, 1);
    this.#fail(old!.id, new VoiceError('superseded', `A newer ${type} replaced this one before it was sent.`));
  }

  #flush(): void {
    while (this.#allowance > 0) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#allowance--;
      // It has timed out.
      if (!this.#waiting.has(next.id)) continue;
      try {
        this.#send(writeRequest(next.request, next.id));
      } catch {
        this.#fail(next.id, ended());
      }
    }
    if (this.#allowance < BURST) this.#timer ??= setInterval(() => this.#refill(), INTERVAL_MS);
  }

  #refill(): void {
    if (this.#allowance < BURST) this.#allowance++;
    if (this.#allowance === BURST && this.#queue.length === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#flush();
  }
}

function ended(): VoiceError {
  return new VoiceError('not-connected', 'The connection is closed. Send it again once connected.', {
    retryable: true,
  });
}
