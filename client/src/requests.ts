/** Requests on the events' channel: paced, so that the server never sees a flood, and each with its answer. */
import { eventError, VoiceError } from './errors.ts';
import { type Request, type ServerEvent, writeRequest } from './protocol.ts';

/** The server takes 20 at once and 10 a second; half of that leaves room for a clock that runs fast. */
const BURST = 10;
const INTERVAL_MS = 200;
/** Requests that wait to be sent. */
const MAX_WAITING = 50;
/** Longest that an answer may take, milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;

interface Waiting {
  readonly resolve: (event: ServerEvent) => void;
  readonly reject: (error: VoiceError) => void;
  timer?: ReturnType<typeof setTimeout>;
}

export class Requests {
  private readonly send: (text: string) => void;
  private readonly waiting = new Map<number, Waiting>();
  private readonly queue: { id: number; request: Request }[] = [];
  private lastId = 0;
  private allowance = BURST;
  private timer: ReturnType<typeof setInterval> | undefined;
  private over = false;

  /** @param send may throw. */
  constructor(send: (text: string) => void) {
    this.send = send;
  }

  /**
   * Asks, and waits for the answer. What mutes or deafens takes the place of such a request that still waits to be sent.
   *
   * @param timeout for the answer, milliseconds.
   * @throws VoiceError `refused` with the server's words, `not-connected`, `timeout`, `superseded`
   */
  ask(request: Request, timeout = ANSWER_TIMEOUT_MS): Promise<ServerEvent> {
    if (this.over) return Promise.reject(ended());
    if (request.type === 'mute' || request.type === 'deafen') this.supersede(request.type);
    if (this.queue.length >= MAX_WAITING) {
      return Promise.reject(new VoiceError('refused', 'Too many requests wait already: ask less often.'));
    }
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const late = new VoiceError('timeout', `No answer to ${request.type} within ${timeout} ms.`, { retryable: true });
      const timer = setTimeout(() => this.fail(id, late), timeout);
      this.waiting.set(id, { resolve, reject, timer });
      this.queue.push({ id, request });
      this.flush();
    });
  }

  /** Takes what may be an answer. */
  heard(event: ServerEvent): void {
    if (!('id' in event) || event.id === undefined) return;
    if (event.type === 'error') {
      return this.fail(event.id, eventError(event));
    }
    const waiting = this.waiting.get(event.id);
    this.waiting.delete(event.id);
    clearTimeout(waiting?.timer);
    waiting?.resolve(event);
  }

  /** The channel is gone. */
  close(): void {
    this.over = true;
    clearInterval(this.timer);
    this.timer = undefined;
    this.queue.length = 0;
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(ended());
    }
    this.waiting.clear();
  }

  private fail(id: number, error: VoiceError): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    clearTimeout(waiting?.timer);
    waiting?.reject(error);
  }

  /** The last word counts, and must find room: a key to talk may be pressed faster than requests may be sent. */
  private supersede(type: Request['type']): void {
    const index = this.queue.findIndex(({ request }) => request.type === type);
    if (index < 0) return;
    const [old] = this.queue.splice(index, 1);
    this.fail(old!.id, new VoiceError('superseded', `A newer ${type} came before this one was sent.`));
  }

  private flush(): void {
    while (this.allowance > 0) {
      const next = this.queue.shift();
      if (next === undefined) break;
      this.allowance--;
      // Nobody waits for it any more.
      if (!this.waiting.has(next.id)) continue;
      try {
        this.send(writeRequest(next.request, next.id));
      } catch {
        this.fail(next.id, ended());
      }
    }
    if (this.allowance < BURST) this.timer ??= setInterval(() => this.refill(), INTERVAL_MS);
  }

  private refill(): void {
    if (this.allowance < BURST) this.allowance++;
    if (this.allowance === BURST && this.queue.length === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
    this.flush();
  }
}

function ended(): VoiceError {
  return new VoiceError('not-connected', 'The connection is gone. Ask again on another one.', {
    retryable: true,
  });
}
