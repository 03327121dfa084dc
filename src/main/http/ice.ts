/** `GET /ice`: the TURN servers of a client, with credentials that expire. */
import { createHash, createHmac } from 'node:crypto';
import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import { type Answer, json } from './answer.ts';

/** What `iceServers` of an `RTCConfiguration` is made of. */
export interface IceServer {
  readonly urls: readonly string[];
  readonly username: string;
  readonly credential: string;
}

/** Nobody else may have these, and they expire. */
const HEADERS = { 'Cache-Control': 'no-store' };
/** A name that goes through STUN and coturn as it is; a username there has less than 509 bytes (RFC 8489). */
const PLAIN = /^[\w.@+-]{1,256}$/;
/** coturn refuses a username with both of these words in it, for fear of its database. */
const UNWANTED = /^(?=.*union)(?=.*select)/i;

export class IceServers {
  private readonly urls: readonly string[];
  private readonly secret: string;
  private readonly seconds: number;
  private readonly now: () => number;

  /** @param now milliseconds since 1970; coturn's clock has to agree. */
  constructor(config: Pick<Config, 'TURN_URLS' | 'TURN_SECRET' | 'TURN_TTL_S'>, now: () => number = Date.now) {
    this.urls = config.TURN_URLS;
    this.secret = config.TURN_SECRET;
    this.seconds = config.TURN_TTL_S;
    this.now = now;
  }

  /** Returns the answer to a client: `{ iceServers }`, which is empty where no TURN server is configured. */
  answer(claim: Pick<Claim, 'userid'>): Answer {
    return json({ iceServers: this.serversFor(claim) }, 200, HEADERS);
  }

  /**
   * Returns the servers with credentials of coturn's REST scheme: the username is the time of expiry, in seconds, and
   * the userid; the password is its HMAC-SHA1 with the shared secret.
   */
  serversFor({ userid }: Pick<Claim, 'userid'>): readonly IceServer[] {
    if (this.urls.length === 0) return [];
    const expiry = Math.floor(this.now() / 1000) + this.seconds;
    const username = `${expiry}:${turnName(userid)}`;
    const credential = createHmac('sha1', this.secret).update(username).digest('base64');
    return [{ urls: this.urls, username, credential }];
  }
}

/**
 * Returns a user's name for coturn, the same each time, because its quota counts by it: the userid, or the first half
 * of its SHA-256 in hexadecimal digits if coturn would refuse the userid.
 */
export function turnName(userid: string): string {
  if (PLAIN.test(userid) && !UNWANTED.test(userid)) return userid;
  return createHash('sha256').update(userid).digest('hex').slice(0, 32);
}
