/** A permission service on loopback, which replies as the test says. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

/** Handles a request. */
export type Reply = (response: ServerResponse, request: IncomingMessage) => void;

export interface PermissionServer {
  readonly port: number;
  readonly url: string;
  /** Paths of the requests, in order. */
  readonly asked: string[];
  /** Handles requests from now on; a test may change it. */
  reply: Reply;
  /** Waits until this many requests have come. */
  wasAsked(count: number): Promise<void>;
  /** Closes all connections and stops listening. */
  close(): Promise<void>;
}

/** Returns a reply with a status and no body. */
export function status(code: number, headers: Record<string, string> = {}): Reply {
  return (response) => response.writeHead(code, headers).end();
}

/** Never answers. */
export const hang: Reply = () => undefined;

/** Starts a permission service. @param port the port to listen on; any free one by default. */
export async function startPermissionServer(reply: Reply = status(204), port = 0): Promise<PermissionServer> {
  const asked: string[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    for (const look of waiting) look();
    here.reply(response, request);
  });
  await listening(server, port);
  const address = server.address() as AddressInfo;
  const here: PermissionServer = {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    asked,
    reply,
    wasAsked: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (asked.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return here;
}

/** Starts a TCP server that is no permission service: it calls `answer` for each socket that has sent something. */
export async function startRawServer(answer: (socket: Socket) => void): Promise<{ url: string; close(): void }> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
}
