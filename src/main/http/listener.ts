/**
 * An HTTP server that clients cannot exhaust: it bounds the headers, the duration of a request and the open sockets. A
 * request beyond a bound gets a problem (RFC 9457) as its answer, like every failure.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { Problem, problemResponse, RequestError } from '../errors.ts';
import type { Telemetry } from '../telemetry.ts';

export type ListenerConfig = Pick<
  Config,
  'MAX_HTTP_SOCKETS' | 'MAX_HEADER_BYTES' | 'REQUEST_TIMEOUT_MS' | 'KEEP_ALIVE_TIMEOUT_MS'
>;

/** How often Node looks for late requests, milliseconds. Its default of half a minute would double the limit. */
const LOOK_INTERVAL_MS = 1000;
/** How long a refused client may take to send its request, read the answer and hang up, milliseconds. */
export const LINGER_MS = 1000;

export class Listener {
  readonly server: Server;
  private readonly config: ListenerConfig;
  private readonly refused: Telemetry['refused'];
  /** Sockets that are not websockets, each with its number of unanswered requests. */
  private readonly sockets = new Map<Duplex, number>();
  /** Sockets beyond the bound, until they are closed. */
  private readonly surplus = new Set<Socket>();

  constructor(config: ListenerConfig, telemetry: Pick<Telemetry, 'refused'>, respond: RequestListener) {
    this.config = config;
    this.refused = (problem, asked) => telemetry.refused(problem, asked);
    const { MAX_HEADER_BYTES: maxHeaderSize, REQUEST_TIMEOUT_MS: timeout, KEEP_ALIVE_TIMEOUT_MS } = config;
    const options = {
      maxHeaderSize,
      requestTimeout: timeout,
      headersTimeout: timeout,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: Math.min(LOOK_INTERVAL_MS, timeout),
    };
    this.server = createServer(options, (request, response) => {
      const { socket } = request;
      this.answering(socket, 1);
      response.once('close', () => this.answering(socket, -1));
      respond(request, response);
    });
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.failed(error, socket));
    this.guardSockets();
  }

  /** Stops counting a socket that became a websocket. */
  release(socket: Duplex): void {
    this.sockets.delete(socket);
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
    for (const socket of this.surplus) socket.destroy();
  }

  /** Puts a check in front of Node's HTTP, which accepts any number of sockets. */
  private guardSockets(): void {
    const { server, sockets } = this;
    const serve = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (sockets.size >= this.config.MAX_HTTP_SOCKETS) return this.turnAway(socket);
      sockets.set(socket, 0);
      socket.once('close', () => sockets.delete(socket));
      for (const listener of serve) listener.call(server, socket);
    });
  }

  /**
   * Refuses a socket as soon as it sends something. Earlier, a response would be unsolicited: a proxy would take it for
   * the answer to its next request.
   */
  private turnAway(socket: Socket): void {
    const { surplus, config } = this;
    this.refused('too-many-sockets', 'other');
    socket.on('error', () => undefined);
    if (surplus.size >= config.MAX_HTTP_SOCKETS) {
      socket.destroy();
      return;
    }
    surplus.add(socket);
    socket.once('close', () => surplus.delete(socket));
    const detail = `All ${config.MAX_HTTP_SOCKETS} sockets are in use; try again later.`;
    socket.once('data', () =>
      socket.end(written(new RequestError('too-many-sockets', detail, { 'Retry-After': '1' }))),
    );
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  private answering(socket: Duplex, change: 1 | -1): void {
    const requests = this.sockets.get(socket);
    if (requests !== undefined) this.sockets.set(socket, requests + change);
  }

  /** Answers something that is not a valid request. */
  private failed(error: NodeJS.ErrnoException, socket: Duplex): void {
    // The client hung up, or was answered already.
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const problem = this.problemOf(error);
    this.refused(problem.kind, 'other');
    // The client would take an answer for the one to its earlier request.
    if ((this.sockets.get(socket) ?? 0) > 0) {
      socket.destroy();
      return;
    }
    socket.end(written(problem));
    socket.resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  private problemOf({ code, message }: NodeJS.ErrnoException): RequestError {
    const { MAX_HEADER_BYTES, REQUEST_TIMEOUT_MS } = this.config;
    switch (code) {
      case 'HPE_HEADER_OVERFLOW':
        return new RequestError('headers-too-large', `Request line and headers may have ${MAX_HEADER_BYTES} bytes.`);
      case 'ERR_HTTP_REQUEST_TIMEOUT':
        return new RequestError('request-timeout', `A request has to arrive within ${REQUEST_TIMEOUT_MS} ms.`);
      default:
        return new RequestError('bad-request', `This is not HTTP/1.1: ${message.replace('Parse Error: ', '')}.`);
    }
  }
}

/** Returns the text of a last response, for a socket that has no ServerResponse. */
function written(error: RequestError): string {
  const { status, headers, body } = problemResponse(error);
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${Problem[error.kind].title}\r\n${lines.join('')}\r\n${body}`;
}
