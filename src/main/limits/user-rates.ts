/**
 * Bounds how often each user does something. Pure: the time is an argument.
 *
 * A user's bucket is kept until it is full again, even if the user is forgotten elsewhere, so that leaving does not
 * reset the limit. A full bucket can be dropped, because a new one is identical.
 */
import { TokenBucket } from './token-bucket.ts';

/** Largest burst, given as the time that it would take at the rate, seconds. An empty bucket takes as long to fill. */
const BURST_S = 2;

export class UserRates {
  private readonly perSecond: number;
  private readonly limit: number;
  /** In the order of the users' latest attempts, oldest first. */
  private readonly buckets = new Map<string, { readonly bucket: TokenBucket; at: number }>();

  /** @param perSecond rate in the long run. @param limit most buckets; beyond it the one idle longest is dropped. */
  constructor(perSecond: number, limit: number) {
    this.perSecond = perSecond;
    this.limit = limit;
  }

  /** Users whose buckets are kept. */
  get size(): number {
    return this.buckets.size;
  }

  /** Takes a token for a user. @param now milliseconds. @returns false if none is available. */
  take(userid: string, now: number): boolean {
    const known = this.buckets.get(userid);
    const { bucket } = known ?? { bucket: new TokenBucket(BURST_S * this.perSecond, this.perSecond) };
    this.buckets.delete(userid);
    this.makeRoom(now - BURST_S * 1000);
    this.buckets.set(userid, { bucket, at: now });
    return bucket.take(now);
  }

  /** Drops buckets unused since `before`, and then the oldest ones until there is room for another. */
  private makeRoom(before: number): void {
    for (const [userid, { at }] of this.buckets) {
      if (at > before && this.buckets.size < this.limit) break;
      this.buckets.delete(userid);
    }
  }
}
