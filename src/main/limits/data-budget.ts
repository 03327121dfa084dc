/** Bounds what a client may say on data channels that nobody reads. */
import type { Config } from '../config.ts';
import { TokenBucket } from './token-bucket.ts';

export type DataLimits = Pick<Config, 'MAX_MESSAGES_PER_SECOND' | 'MAX_MESSAGE_KBPS'>;

/** What may come at once, as the time in which it would come at the rate, seconds. */
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

  /** Takes a message into account; of text, the bytes that it has in UTF-8. @returns false if it was one too many. */
  takeMessage(message: string | { readonly byteLength: number }, now: number): boolean {
    return this.take(typeof message === 'string' ? Buffer.byteLength(message) : message.byteLength, now);
  }

  /** Takes a message into account. @returns false if it was one too many. */
  take(bytes: number, now: number): boolean {
    return this.messages.take(now) && this.bytes.take(now, bytes);
  }
}
