/**
 * How often each user does something. Pure: the time is an argument.
 *
 * A user is remembered until their bucket is full again, whatever becomes of them elsewhere, so that nobody begins anew by
 * being forgotten there; after that a new bucket is the same as the old one.
 */
import { TokenBucket } from './token-bucket.ts';

/** What may come at once, as the time in which it would come at the rate, seconds: so long does a bucket take to fill. */
const BURST_S = 2;

export class UserRates {
  private readonly perSecond: number;
  private readonly limit: number;
  /** Whoever did something longest ago first. */
  private readonly buckets = new Map<string, { readonly bucket: TokenBucket; at: number }>();

  /** @param perSecond in the long run. @param limit users remembered; beyond it the longest idle is forgotten. */
  constructor(perSecond: number, limit: number) {
    this.perSecond = perSecond;
    this.limit = limit;
  }

  /** Users remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** Takes one for a user. @param now milliseconds. @returns false if it is one too many. */
  take(userid: string, now: number): boolean {
    const known = this.buckets.get(userid);
    const { bucket } = known ?? { bucket: new TokenBucket(BURST_S * this.perSecond, this.perSecond) };
    this.buckets.delete(userid);
    this.makeRoom(now - BURST_S * 1000);
    this.buckets.set(userid, { bucket, at: now });
    return bucket.take(now);
  }

  /** Forgets who has done nothing since `before`, and whoever there is no room for. */
  private makeRoom(before: number): void {
    for (const [userid, { at }] of this.buckets) {
      if (at > before && this.buckets.size < this.limit) break;
      this.buckets.delete(userid);
    }
  }
}
