/** A server behind a proxy and the stand-in for backend-auth, as `deploy/` describes them, each a process. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { type Limit, type ProxyKind, type ReverseProxy, startProxy } from './proxies.ts';
import { type RunningServer, startServer } from './server.ts';
import { type StandIn, startStandIn } from './stand-in.ts';

export interface ProxiedServer {
  readonly server: RunningServer;
  readonly auth: StandIn;
  readonly proxy: ReverseProxy;
}

/** Runs `body` with a server and a proxy of its own, and stops them. @param env variables of the server. */
export async function withProxy(
  kind: ProxyKind,
  body: (proxied: ProxiedServer) => Promise<void>,
  env: Record<string, string> = {},
  limit?: Limit,
): Promise<void> {
  const [server, auth] = await Promise.all([startServer(env), startStandIn()]);
  const proxy = await startProxy(kind, { server: server.port, auth: auth.port }, limit);
  try {
    await body({ server, auth, proxy });
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.stack : error}\n${[proxy.logs(), ...server.logs].join('\n')}`);
  } finally {
    await Promise.all([proxy.stop(), server.stop(), auth.stop()]);
  }
}

/** A request as it reached the server behind the proxy. */
export interface Recorded {
  readonly method: string;
  readonly url: string;
  /** Names and values in turn, as they came. */
  readonly headers: readonly string[];
}

export interface Recorder {
  readonly port: number;
  /** Returns the requests since the last call. */
  take(): Recorded[];
  close(): Promise<void>;
}

/** Starts a server that records every request and answers it with 200, upgrades included. */
export async function startRecorder(): Promise<Recorder> {
  let seen: Recorded[] = [];
  const note = ({ method = '', url = '', rawHeaders }: IncomingMessage): void => {
    seen.push({ method, url, headers: rawHeaders });
  };
  const server: Server = createServer((incoming, response) => {
    note(incoming);
    incoming.resume();
    response.writeHead(200, { 'Content-Length': '0' }).end();
  });
  server.on('upgrade', (incoming, socket) => {
    note(incoming);
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const take = (): Recorded[] => {
    const all = seen;
    seen = [];
    return all;
  };
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, take, close };
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Sends one request. @param path what follows the proxy's `/webrtc`. */
export async function send(
  proxy: ReverseProxy,
  method: 'GET' | 'POST' | 'DELETE' | 'OPTIONS',
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { statusCode: status, headers: answered, body } = await request(`${proxy.url}${path}`, { method, headers });
  return { status, headers: answered, body: await body.text() };
}
