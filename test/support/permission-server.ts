/** The service that knows who may join what, on loopback, as the test has it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

/** What it does with a question. */
export type Reply = (response: ServerResponse, request: IncomingMessage) => void;

export interface PermissionServer {
  readonly port: number;
  readonly url: string;
  /** Paths as they stood in the requests, in their order. */
  readonly asked: string[];
  /** What it does from now on. */
  reply: Reply;
  /** Resolves once so many questions have come. */
  wasAsked(count: number): Promise<void>;
  /** Hangs up on everybody and stops listening. */
  close(): Promise<void>;
}

/** Answers with a status and no body. */
export function status(code: number, headers: Record<string, string> = {}): Reply {
  return (response) => response.writeHead(code, headers).end();
}

/** Never answers. */
export const hang: Reply = () => undefined;

/** Starts one. @param port the one to listen on; any that is free otherwise. */
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

/** Something on a port that is no such service: it does what it is told with each socket that has asked. */
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
