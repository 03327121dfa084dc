/**
 * Bounds the TCP connections, so that surplus clients get an answer before the process runs out of file descriptors.
 * Without descriptors libuv closes new connections silently.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RequestError } from '../errors.ts';

/** Descriptors reserved for refusals, operators, other services and libraries: a share of all, up to a maximum. */
const RESERVE_SHARE = 0.1;
const MAX_RESERVE = 256;
/** How long a connection beyond the limit may take to send its request and read the answer, milliseconds. */
const PATIENCE_MS = 1000;

/** Returns how many TCP connections the free descriptors allow; Infinity on systems that do not tell. */
export function socketsAllowed(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (soft === undefined) return Number.POSITIVE_INFINITY;
    const limit = Number(soft);
    const reserve = Math.min(MAX_RESERVE, Math.ceil(limit * RESERVE_SHARE));
    return Math.max(1, limit - reserve - readdirSync('/proc/self/fd').length);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export class SocketLimit {
  private max = Number.POSITIVE_INFINITY;
  private open = 0;
  private readonly beyond = new WeakSet<object>();

  /** Counts the connections of a server from now on. @param max number of connections that are served. */
  watch(server: Server, max: number): void {
    this.max = max;
    server.on('connection', (socket) => this.opened(socket));
  }

  /** @throws RequestError `full` if the connection of a request is beyond the limit. */
  check(socket: object): void {
    if (!this.beyond.has(socket)) return;
    const detail = `All ${this.max} TCP connections are in use; try again later, or raise the limit of open files.`;
    throw new RequestError('full', detail, { 'Retry-After': '5', Connection: 'close' });
  }

  private opened(socket: Socket): void {
    this.open++;
    let patience: NodeJS.Timeout | undefined;
    if (this.open > this.max) {
      this.beyond.add(socket);
      patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    }
    socket.once('close', () => {
      this.open--;
      clearTimeout(patience);
    });
  }
}
