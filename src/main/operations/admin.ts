/**
 * The operators' HTTP server: health, metrics, conversations, and commands. It has its own address, which no proxy may
 * expose: everybody who reaches it is an operator.
 */
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { ListenAddress } from '../config.ts';
import { RequestError } from '../errors.ts';
import { type Answer, send, sendProblem } from '../http/answer.ts';
import { listen } from '../http/listen.ts';
import { Listener, type ListenerConfig } from '../http/listener.ts';
import { RouteTable } from '../http/route-table.ts';
import type { Log } from '../log/log.ts';
import { requestIdOf } from '../request-id.ts';
import type { Telemetry } from '../telemetry.ts';
import type { OperatorRoute } from './routes.ts';

/** No registry gives out names below these (RFC 6761, RFC 6762; ICANN reserves .internal for private use). */
const PRIVATE = /\.(?:localhost|local|internal)$/;

export class AdminServer {
  private readonly listener: Listener;
  private readonly routes: RouteTable<OperatorRoute>;
  private readonly log: Log;

  constructor(
    routes: readonly OperatorRoute[],
    config: ListenerConfig,
    log: Log,
    telemetry: Pick<Telemetry, 'refused'>,
  ) {
    this.log = log;
    this.routes = new RouteTable(routes, config.MAX_HEADER_BYTES);
    this.listener = new Listener(config, telemetry, (request, response) => {
      request.resume();
      this.answer(request).then(
        (answer) => send(response, answer),
        (error: unknown) =>
          sendProblem(response, error, 'internal', this.log, 'request of an operator failed', requestIdOf(request)),
      );
    });
  }

  /** Starts to listen. @throws Error that names a refused address and says how to choose another. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    return listen(this.listener.server, address, 'ADMIN_LISTEN', '127.0.0.1:8082');
  }

  close(): void {
    this.listener.close();
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    refuseWebPages(request);
    const { row, params } = this.routes.find(request.method === 'HEAD' ? 'GET' : request.method, request.url);
    const [, query = ''] = (request.url ?? '').split('?', 2);
    return row.answer(params, new URLSearchParams(query));
  }
}

/**
 * Refuses web pages: a page in the browser of somebody who can reach this address is no operator. Browsers send
 * `Origin` with each POST, and with requests to other sites. They send none with a GET to the page's own site, and a
 * page can make this address its own site if its name resolves to it (DNS rebinding). `Host` is that name then.
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

/**
 * Whether the name in a `Host` header is an IP address or a name of the local network. Nobody elsewhere can decide what
 * such a name resolves to.
 *
 * @param host `name`, `name:port` or `[v6]:port`.
 */
function isLocalName(host: string): boolean {
  const v6 = /^\[([^\]]+)\](?::\d*)?$/.exec(host)?.[1];
  if (v6 !== undefined) return isIP(v6.split('%', 1)[0]!) === 6;
  // A complete name may end with a dot.
  const name = host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
  return isIP(name) === 4 || !name.includes('.') || PRIVATE.test(name);
}
