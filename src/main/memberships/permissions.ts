/**
 * Who may join what: asked of the service at `PERMISSIONS_HOST`, which fails closed. 2xx allows, 4xx denies, and whatever
 * else comes, or does not come in time, is no answer: nobody is let in.
 */
import { performance } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { Pool } from 'undici';
import type { Config } from '../config.ts';
import { RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';

/** Answers kept, least recently used ones given up first. */
const MAX_CACHED = 10_000;
/** Sockets towards the service; further questions wait for one, within their time. */
const MAX_SOCKETS = 32;
/** Questions under way or waiting for a socket; beyond that nobody is helped by one more. */
const MAX_UNDER_WAY = 2048;
/** Of the body, which says nothing: more than this closes the socket instead of reading on. Bytes. */
const MAX_BODY_BYTES = 16_384;
/** Denials that speak of this moment and not of the user: RFC 9110, section 15.5.9; RFC 8470; RFC 6585. */
const MOMENTARY = [408, 425, 429];
/** How a socket ends that the service closed while idle, just when it was used again (RFC 9112, section 9.3.1). */
const STALE_SOCKET = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

/** What is told what comes of questions; a question that is not asked, because too many are under way, has `failed`. */
type PermissionCounts = Pick<Telemetry, 'permission' | 'permissionCached'>;

export interface PermissionLimits {
  readonly cached: number;
  readonly sockets: number;
  readonly underWay: number;
}

export type PermissionsConfig = Pick<Config, 'PERMISSIONS_HOST' | 'PERMISSIONS_TIMEOUT_MS' | 'PERMISSIONS_CACHE_MS'>;

/** A status from 200 to 299, or from 400 to 499. */
type Answer = number;

export class Permissions {
  private readonly pool: Pool;
  /** Of `PERMISSIONS_HOST`, without a slash at its end. */
  private readonly prefix: string;
  private readonly timeout: number;
  private readonly limits: PermissionLimits;
  /** Null where every join is to be asked about. */
  private readonly cache: LRUCache<string, Answer> | null;
  /** By question, so that the same one is asked once at a time. */
  private readonly underWay = new Map<string, Promise<Answer>>();
  private readonly log: Log;
  private readonly counts: PermissionCounts;
  private unavailable = false;

  /** @param limits for tests. */
  constructor(
    config: PermissionsConfig,
    log: Log,
    counts: PermissionCounts,
    limits: PermissionLimits = { cached: MAX_CACHED, sockets: MAX_SOCKETS, underWay: MAX_UNDER_WAY },
  ) {
    const { origin, pathname } = new URL(config.PERMISSIONS_HOST);
    this.prefix = pathname === '/' ? '' : pathname;
    this.timeout = config.PERMISSIONS_TIMEOUT_MS;
    this.limits = limits;
    this.log = log;
    this.counts = counts;
    const ttl = config.PERMISSIONS_CACHE_MS;
    this.cache = ttl === 0 ? null : new LRUCache({ max: limits.cached, ttl });
    // Each question has a deadline over everything; these end sockets that are of no use to the next one either.
    this.pool = new Pool(origin, {
      connections: limits.sockets,
      pipelining: 1,
      connect: { timeout: this.timeout },
      headersTimeout: this.timeout,
      bodyTimeout: this.timeout,
    });
  }

  /**
   * Resolves if the user may join the conversation.
   *
   * @throws RequestError `not-permitted` if they may not, `permissions-unavailable` if nobody says so.
   */
  async allows(userid: string, conversation: string): Promise<void> {
    const path = `/user/${segment(userid)}/conversation/${segment(conversation)}`;
    const status = await this.answer(path);
    if (isAllowed(status)) return;
    const detail = `The permission service answered ${status}. Ask whoever manages the conversation, then join again.`;
    throw notPermitted(detail);
  }

  /** Hangs up; what is under way fails. */
  close(): Promise<void> {
    return this.pool.destroy();
  }

  private answer(path: string): Promise<Answer> {
    // Escaped segments have no slash, so the path tells every question from every other.
    const known = this.cache?.get(path);
    if (known !== undefined) {
      this.counts.permissionCached();
      return Promise.resolve(known);
    }
    const same = this.underWay.get(path);
    if (same !== undefined) return same;
    if (this.underWay.size >= this.limits.underWay) {
      this.counts.permission('failed', 0);
      return Promise.reject(unavailable('Too many joins wait for the permission service'));
    }
    const asked = this.ask(path).finally(() => this.underWay.delete(path));
    this.underWay.set(path, asked);
    return asked;
  }

  private async ask(path: string): Promise<Answer> {
    const since = performance.now();
    const signal = AbortSignal.timeout(this.timeout);
    try {
      const status = await this.fetch(path, signal);
      if (!isAllowed(status) && !isDenied(status)) {
        const hint = isRedirect(status)
          ? '; redirects are not followed: PERMISSIONS_HOST is to be where they lead'
          : '';
        throw new Error(`it answered ${status}${hint}`);
      }
      if (!MOMENTARY.includes(status)) this.cache?.set(path, status);
      this.counts.permission(isAllowed(status) ? 'allowed' : 'denied', performance.now() - since);
      if (this.unavailable) this.log.info('the permission service answers again');
      this.unavailable = false;
      return status;
    } catch (error) {
      this.counts.permission(signal.aborted ? 'timeout' : 'failed', performance.now() - since);
      const why = signal.aborted ? `no answer within ${this.timeout} ms` : reason(error);
      if (!this.unavailable) {
        this.log.error({ why }, 'the permission service cannot be asked; nobody can join: look at PERMISSIONS_HOST');
      }
      this.unavailable = true;
      throw unavailable('The permission service cannot be asked, so nobody is let in');
    }
  }

  /** The status, which is all of the answer; the body is read only so that the socket can be used again. */
  private async fetch(path: string, signal: AbortSignal, again = true): Promise<number> {
    try {
      // Not a URL on purpose: the path is sent as it stands. The signal ends a body that does not end, too.
      const { statusCode, body } = await this.pool.request({ method: 'GET', path: this.prefix + path, signal });
      body.dump({ limit: MAX_BODY_BYTES }).catch(() => undefined);
      return statusCode;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!again || signal.aborted || !STALE_SOCKET.includes(code)) throw error;
      return this.fetch(path, signal, false);
    }
  }
}

/**
 * An id as one segment of a path.
 *
 * @throws RequestError for an id that no path can hold: a lone surrogate has no UTF-8, and `.` and `..` are steps in a
 *   path however they are escaped (RFC 3986, section 6.2.2), so a proxy on the way could make another question of it.
 */
function segment(id: string): string {
  if (id === '.' || id === '..' || !id.isWellFormed()) {
    throw notPermitted(`The permission service cannot be asked about the id ${JSON.stringify(id)}; use another id.`);
  }
  return encodeURIComponent(id);
}

function isAllowed(status: number): boolean {
  return status >= 200 && status < 300;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

function isDenied(status: number): boolean {
  return status >= 400 && status < 500;
}

/** RFC 9110, section 15.5.2 wants the scheme to be named. */
function notPermitted(detail: string): RequestError {
  return new RequestError('not-permitted', detail, { 'WWW-Authenticate': 'Bearer' });
}

function unavailable(what: string): RequestError {
  return new RequestError('permissions-unavailable', `${what}; try again later.`, { 'Retry-After': '2' });
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message || code || error.name;
}
