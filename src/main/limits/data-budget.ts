/** Bounds what a client may send on data channels that the server does not read. */
import type { Config } from '../config.ts';
import { TokenBucket } from './token-bucket.ts';

export type DataLimits = Pick<Config, 'MAX_MESSAGES_PER_SECOND' | 'MAX_MESSAGE_KBPS'>;

/** Largest burst, given as the time that it would take at the rate, seconds. */
const BURST_S = 2;
const BYTES_PER_KILOBIT = 125;

export class DataBudget {
  private readonly messages: TokenBucket;
  private readonly bytes: TokenBucket;

  constructor({ MAX_MESSAGES_PER_SECOND: messages, MAX_MESSAGE_KBPS: kilobits }: DataLimits) {
    const bytes = kilobits * BYTES_PER_KILOBIT;
    this.messages = new TokenBucket(BURST_S * messages, messages);
    this.bytes = new TokenBucket(BURST_S * bytes, bytes);
  }

  /** Counts a message; text counts with its bytes in UTF-8. @returns false if it exceeds the budget. */
  takeMessage(message: string | { readonly byteLength: number }, now: number): boolean {
    return this.take(typeof message === 'string' ? Buffer.byteLength(message) : message.byteLength, now);
  }

  /** Counts a message. @returns false if it exceeds the budget. */
  take(bytes: number, now: number): boolean {
    return this.messages.take(now) && this.bytes.take(now, bytes);
  }
}
