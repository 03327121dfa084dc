/**
 * The operators' HTTP: health, figures, who is where, kick and mute. On an address of its own, which no proxy may lead
 * to: whoever reaches it is an operator.
 */
import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import FindMyWay from 'find-my-way';
import type { ListenAddress } from '../config.ts';
import { problemResponse, RequestError } from '../errors.ts';
import { listen } from '../http/listen.ts';
import { Listener, type ListenerConfig } from '../http/listener.ts';
import { isEscapedWell } from '../http/server.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';
import { visibleJson } from '../visible.ts';
import { isLocalName } from './local-name.ts';

/** Conversations on a page: unless asked otherwise, and at most. */
const PAGE = 100;
const MAX_PAGE = 1000;
const BADLY_ESCAPED = 'The path is badly escaped: percent-encode ids as UTF-8.';

/** What operators are told and may do; each may throw a RequestError. */
export interface Operations {
  /** @returns what to tell, and whether it is good. */
  health(): { readonly healthy: boolean };
  readiness(): { readonly ready: boolean };
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** @param after key of the last conversation known, 0 for none. */
  conversations(after: number, limit: number): object;
  conversation(id: string): object;
  kick(conversation: string, userid: string): void;
  mute(conversation: string, userid: string, muted: boolean): void;
}

type Route = (params: Readonly<Record<string, string | undefined>>, query: URLSearchParams) => Promise<Answer> | Answer;

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export class AdminServer {
  private readonly listener: Listener;
  private readonly router: FindMyWay.Instance<FindMyWay.HTTPVersion.V1>;
  private readonly log: Log;

  constructor(operations: Operations, config: ListenerConfig, log: Log, telemetry: Pick<Telemetry, 'refused'>) {
    this.log = log;
    this.router = FindMyWay({ maxParamLength: config.MAX_HEADER_BYTES });
    this.route('GET', '/healthz', () => {
      const health = operations.health();
      return json(health, health.healthy ? 200 : 503);
    });
    this.route('GET', '/readyz', () => {
      const readiness = operations.readiness();
      return json(readiness, readiness.ready ? 200 : 503);
    });
    this.route('GET', '/metrics', async () => ({ status: 200, ...(await operations.metrics()) }));
    this.route('GET', '/conversations', (_, query) => {
      const after = whole(query, 'after', 0, Number.MAX_SAFE_INTEGER, 0);
      return json(operations.conversations(after, whole(query, 'limit', 1, MAX_PAGE, PAGE)));
    });
    this.route('GET', '/conversations/:id', ({ id }) => json(operations.conversation(id ?? '')));
    const act = (name: string, body: (conversation: string, userid: string) => void): void =>
      this.route('POST', `/conversations/:id/users/:userid/${name}`, ({ id, userid }) => {
        body(id ?? '', userid ?? '');
        return { status: 200, contentType: 'text/plain', body: '' };
      });
    act('kick', (conversation, userid) => operations.kick(conversation, userid));
    act('mute', (conversation, userid) => operations.mute(conversation, userid, true));
    act('unmute', (conversation, userid) => operations.mute(conversation, userid, false));
    this.listener = new Listener(config, telemetry, (request, response) => {
      request.resume();
      this.answer(request).then(
        ({ status, contentType, body }) => {
          const length = String(Buffer.byteLength(body));
          response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': length }).end(body);
        },
        (error: unknown) => this.refuse(response, error),
      );
    });
  }

  /** Listens. @throws Error that says which address was refused and how to choose another. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    return listen(this.listener.server, address, 'ADMIN_LISTEN', '127.0.0.1:8082');
  }

  close(): void {
    this.listener.close();
  }

  private route(method: 'GET' | 'POST', path: string, route: Route): void {
    this.router.on(method, path, () => undefined, { route });
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    refuseWebPages(request);
    const method = (request.method === 'HEAD' ? 'GET' : request.method) as FindMyWay.HTTPMethod;
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    if (!isEscapedWell(path)) throw new RequestError('bad-request', BADLY_ESCAPED);
    const found = this.router.find(method, path);
    if (found === null) throw this.unknown(path);
    return (found.store as { route: Route }).route(found.params, new URLSearchParams(query));
  }

  private unknown(path: string): RequestError {
    const allowed = METHODS.filter((method) => this.router.find(method as FindMyWay.HTTPMethod, path) !== null);
    if (allowed.length > 0) {
      return new RequestError('method-not-allowed', `Allowed: ${allowed.join(', ')}.`, { Allow: allowed.join(', ') });
    }
    const next = 'There are /healthz, /readyz, /metrics, /conversations, /conversations/:id and, as POST,';
    return new RequestError('not-found', `${next} /conversations/:id/users/:userid/kick, mute and unmute.`);
  }

  private refuse(response: ServerResponse, error: unknown): void {
    let known: RequestError;
    if (error instanceof RequestError) {
      known = error;
    } else {
      this.log.error({ err: error }, 'request of an operator failed');
      known = new RequestError('internal', 'It is not the request; the log of the server says more.');
    }
    const { status, headers, body } = problemResponse(known);
    response.writeHead(status, headers).end(body);
  }
}

/**
 * A page in the browser of somebody who can reach this address is no operator. Browsers send `Origin` with a POST and with
 * whatever goes to another site; a GET to the page's own site has none, and a page can make this address its own site by
 * what its name resolves to (DNS rebinding). Then `Host` is that name.
 *
 * @throws RequestError `forbidden`
 */
function refuseWebPages({ headers: { origin, host } }: IncomingMessage): void {
  if (origin !== undefined) {
    throw new RequestError('forbidden', 'Requests of web pages, with an Origin header, are not answered here.');
  }
  if (host !== undefined && !isLocalName(host)) {
    const next = 'ask by its IP address, or by a name without a dot or below .localhost, .local or .internal';
    throw new RequestError('forbidden', `This listener answers to no name that a web page could have: ${next}.`);
  }
}

function json(value: object, status = 200): Answer {
  return { status, contentType: 'application/json', body: `${visibleJson(JSON.stringify(value))}\n` };
}

/** @throws RequestError `bad-request` */
function whole(query: URLSearchParams, name: string, least: number, most: number, otherwise: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new RequestError('bad-request', `${name} must be a whole number from ${least} to ${most}.`);
}
