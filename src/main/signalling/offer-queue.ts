/**
 * The offers that wait for their turn. An offer costs the main thread some milliseconds, nearly all of them in the
 * native library: when thousands of clients come at once, those who are connected already must not wait for them.
 */
import { randomInt } from 'node:crypto';
import type { Config } from '../config.ts';
import { RequestError } from '../errors.ts';
import { type LoopTime, loopTime, PacedQueue } from '../limits/paced-queue.ts';
import type { Telemetry } from '../telemetry.ts';

/** What an offer takes with its rest, until some were measured; milliseconds. */
const EXPECTED_MS = 8;
/** How long the thread has to be idle after an offer, and how long it rests at most, as multiples of what it took. */
const IDLE = 1;
const REST = 9;
/** Nobody begins to wait who would wait for longer, milliseconds. Clients give an attempt up after 15 s or so. */
const MAX_WAIT_MS = 8000;
/** How soon after its websocket was granted a client usually makes its offer, milliseconds. Some ask a person first. */
const SOON_MS = 2000;
/** Weight of the latest websocket in the share of those whose offers come soon. */
const WEIGHT = 1 / 16;
const MS_PER_S = 1000;

/** An offer is known by its connection. */
export class OfferQueue<Connection extends object> {
  private readonly limit: number;
  private readonly time: LoopTime;
  private readonly queue: PacedQueue<Connection>;
  /** Connections whose offers are expected soon, and when they were granted; in that order. */
  private readonly coming = new Map<Connection, number>();
  /**
   * Share of the latest websockets whose offers came soon. Those without an offer would keep everybody out if they
   * counted as offers.
   */
  private prompt = 0;

  constructor(
    config: Pick<Config, 'MAX_QUEUED_OFFERS'>,
    telemetry: Pick<Telemetry, 'offerWaited'>,
    time: LoopTime = loopTime,
  ) {
    this.limit = config.MAX_QUEUED_OFFERS;
    this.time = time;
    const pace = { limit: this.limit, idle: IDLE, rest: REST, expected: EXPECTED_MS };
    this.queue = new PacedQueue(pace, (milliseconds) => telemetry.offerWaited(milliseconds), time);
  }

  /** Offers that wait. */
  get length(): number {
    return this.queue.length;
  }

  /**
   * Makes sure that one more client may make an offer.
   *
   * @throws RequestError `busy` if its offer would find no place, or wait for too long.
   */
  makeSureOfRoom(): void {
    this.forgetLate();
    const before = Math.round(this.queue.length + this.prompt * this.coming.size);
    const wait = this.queue.waitBehind(before);
    if (before < this.limit && wait <= MAX_WAIT_MS) return;
    // Spread out, so that those who are refused together do not come back together.
    const seconds = 1 + randomInt(1 + Math.ceil(Math.min(wait, MAX_WAIT_MS) / MS_PER_S));
    const detail = `${before} others are connecting; try again in ${seconds} s.`;
    throw new RequestError('busy', detail, { 'Retry-After': String(seconds) });
  }

  /** A connection's websocket was granted, and its offer is expected. */
  expect(connection: Connection): void {
    this.coming.set(connection, this.time.now());
  }

  /**
   * A connection's offer came: answers it at once, or when its turn comes.
   *
   * @param answer must not throw. @returns false if there is no place for the offer.
   */
  add(connection: Connection, answer: () => void): boolean {
    if (this.coming.delete(connection)) this.count(1);
    return this.queue.add(connection, answer);
  }

  /** A connection ended, or its offer is not to be answered any more. */
  drop(connection: Connection): void {
    if (this.coming.delete(connection)) this.count(0);
    this.queue.drop(connection);
  }

  private forgetLate(): void {
    const late = this.time.now() - SOON_MS;
    for (const [connection, since] of this.coming) {
      if (since > late) return;
      this.coming.delete(connection);
      this.count(0);
    }
  }

  private count(soon: 0 | 1): void {
    this.prompt += (soon - this.prompt) * WEIGHT;
  }
}
