/**
 * Asks the service at `PERMISSIONS_HOST` who may join what. 2xx allows and 4xx denies. Any other status, or none in
 * time, counts as no answer, and then nobody is let in. JSON in the body of a 2xx says what its user may do.
 */
import { performance } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { type Dispatcher, Pool } from 'undici';
import type { Config } from '../config.ts';
import { FULL_GRANT, type Grant } from '../conversations/rights.ts';
import { RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';
import { grantOf } from './permission-answer.ts';

/** Most answers in the cache, which drops the least recently used ones first. */
const MAX_CACHED = 10_000;
/** Most sockets to the service. Further questions wait for a free one, until their deadline. */
const MAX_SOCKETS = 32;
/** Most questions under way or waiting for a socket. Further ones would only make all of them late. */
const MAX_UNDER_WAY = 2048;
/** Most bytes that are read of a body. A longer one is ignored, and closes the socket. */
const MAX_BODY_BYTES = 16_384;
/** Denials that are not about the user and may change soon: RFC 9110, section 15.5.9; RFC 8470; RFC 6585. */
const MOMENTARY = [408, 425, 429];
/** What ends a membership. Any other status may come from a gateway that does not know the service. */
const CLEAR_NO = [401, 403];
/** Error codes of an idle socket that the service closed just when it was used again (RFC 9112, section 9.3.1). */
const STALE_SOCKET = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

/** Counts the outcomes. A question that is not asked, because too many are under way, counts as `failed`. */
type PermissionCounts = Pick<Telemetry, 'permission' | 'permissionCached'>;

export interface PermissionLimits {
  readonly cached: number;
  readonly sockets: number;
  readonly underWay: number;
}

export type PermissionsConfig = Pick<Config, 'PERMISSIONS_HOST' | 'PERMISSIONS_TIMEOUT_MS' | 'PERMISSIONS_CACHE_MS'>;

interface Answer {
  /** 200 to 299, or 400 to 499. */
  readonly status: number;
  /** Means something if the status allows. */
  readonly grant: Grant;
}

export class Permissions {
  private readonly pool: Pool;
  /** The path in `PERMISSIONS_HOST`, without a slash at its end. */
  private readonly prefix: string;
  private readonly timeout: number;
  private readonly limits: PermissionLimits;
  /** Null if every join needs a new answer. */
  private readonly cache: LRUCache<string, Answer> | null;
  /** By path, so that the same question is not asked twice at a time. */
  private readonly underWay = new Map<string, Promise<Answer>>();
  private readonly log: Log;
  private readonly counts: PermissionCounts;
  private unavailable = false;
  private misunderstood = false;

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
    // Each question has a deadline of its own. These time-outs close sockets that would fail the next question, too.
    this.pool = new Pool(origin, {
      connections: limits.sockets,
      pipelining: 1,
      connect: { timeout: this.timeout },
      headersTimeout: this.timeout,
      bodyTimeout: this.timeout,
    });
  }

  /**
   * Resolves if the user may join the conversation, to what they may do there.
   *
   * @throws RequestError `not-permitted` if they may not, `permissions-unavailable` if there is no answer.
   */
  async allows(userid: string, conversation: string): Promise<Grant> {
    const path = pathOf(userid, conversation);
    const { status, grant } = await this.answer(path);
    if (isAllowed(status)) return grant;
    const detail = `The permission service answered ${status}. Ask whoever manages the conversation, then join again.`;
    throw notPermitted(detail);
  }

  /**
   * Asks again about a user who is in the conversation, whatever is in the cache.
   *
   * @returns what they may do there; null if the service clearly says that they may not be there.
   * @throws RequestError `permissions-unavailable` if there is no answer, `not-permitted` if it says something else.
   */
  async askAgain(userid: string, conversation: string): Promise<Grant | null> {
    const path = pathOf(userid, conversation);
    this.cache?.delete(path);
    const { status, grant } = await this.answer(path);
    if (isAllowed(status)) return grant;
    if (CLEAR_NO.includes(status)) return null;
    throw notPermitted(`The permission service answered ${status}.`);
  }

  /** Closes all sockets. Questions under way fail. */
  close(): Promise<void> {
    return this.pool.destroy();
  }

  private answer(path: string): Promise<Answer> {
    // Escaped segments contain no slash, so that different questions have different paths.
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
      const answer = await this.fetch(path, signal);
      const { status } = answer;
      if (!isAllowed(status) && !isDenied(status)) {
        const hint = isRedirect(status)
          ? '; redirects are not followed: PERMISSIONS_HOST is to be where they lead'
          : '';
        throw new Error(`it answered ${status}${hint}`);
      }
      if (!MOMENTARY.includes(status)) this.cache?.set(path, answer);
      this.counts.permission(isAllowed(status) ? 'allowed' : 'denied', performance.now() - since);
      if (this.unavailable) this.log.info('the permission service answers again');
      this.unavailable = false;
      return answer;
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

  /** Asks. A body that is no JSON is read only so that the socket can be used again. */
  private async fetch(path: string, signal: AbortSignal, again = true): Promise<Answer> {
    try {
      // A URL would normalize the path. The signal also ends a body that never ends.
      const {
        statusCode: status,
        headers,
        body,
      } = await this.pool.request({ method: 'GET', path: this.prefix + path, signal });
      if (isAllowed(status) && isJson(headers)) return { status, grant: this.grant(await textOf(body)) };
      body.dump({ limit: MAX_BODY_BYTES }).catch(() => undefined);
      return { status, grant: FULL_GRANT };
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!again || signal.aborted || !STALE_SOCKET.includes(code)) throw error;
      return this.fetch(path, signal, false);
    }
  }

  private grant(body: string | null): Grant {
    const { grant, bad } = grantOf(body);
    const understood = bad?.length === 0;
    if (!understood && !this.misunderstood) {
      this.log.warn(
        { members: bad },
        'JSON of the permission service is not understood, and ignored; see docs/http-api.md',
      );
    }
    this.misunderstood = !understood;
    return grant;
  }
}

function pathOf(userid: string, conversation: string): string {
  return `/user/${segment(userid)}/conversation/${segment(conversation)}`;
}

/**
 * Escapes an id as one segment of a path.
 *
 * @throws RequestError for an id that no path can hold. A lone surrogate has no UTF-8. `.` and `..` are steps in a path
 *   however they are escaped (RFC 3986, section 6.2.2), so that a proxy could turn them into another question.
 */
function segment(id: string): string {
  if (id === '.' || id === '..' || !id.isWellFormed()) {
    throw notPermitted(`The permission service cannot be asked about the id ${JSON.stringify(id)}; use another id.`);
  }
  return encodeURIComponent(id);
}

/** Whether an answer is JSON (RFC 8259), or of a format based on it (RFC 6839). */
function isJson({ 'content-type': type }: Dispatcher.ResponseData['headers']): boolean {
  return typeof type === 'string' && /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type);
}

/** Returns the text of a body; null if it is too long. Rejects if the body does not end in time. */
async function textOf(body: Dispatcher.ResponseData['body']): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Leaving the loop closes the socket.
    if (length > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
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

/** RFC 9110, section 15.5.2 requires a scheme. */
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
