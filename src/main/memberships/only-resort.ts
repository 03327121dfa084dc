/**
 * Decides whom an instance lets in that cannot reach the others of its cluster. Whoever connects here would be alone,
 * so a client's first request is refused, and the proxy asks another instance. A client that comes again was refused by
 * the others, too, so it is let in: what is on one instance goes on while NATS is away from all.
 */
import { LRUCache } from 'lru-cache';
import type { Claim } from '../claim.ts';
import { clusterUnavailable } from '../errors.ts';

/** Within this time a second request counts as another try, milliseconds. Clients wait for some seconds at most. */
const TRY_AGAIN_MS = 30_000;
/** Most clients whose first requests are remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;

export class OnlyResort {
  private readonly refused: LRUCache<string, true>;

  /** @param now milliseconds. */
  constructor(now: () => number) {
    this.refused = new LRUCache({ max: MAX_REMEMBERED, ttl: TRY_AGAIN_MS, ttlResolution: 0, perf: { now } });
  }

  /** Refuses a client's first request. @throws RequestError `cluster-unavailable` */
  connect({ userid, clientid }: Claim): void {
    const client = JSON.stringify([userid, clientid]);
    if (this.refused.delete(client)) return;
    this.refused.set(client, true);
    throw clusterUnavailable('This instance cannot reach the others. Ask again: another one may answer');
  }
}
