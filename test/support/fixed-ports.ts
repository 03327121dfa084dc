/**
 * Ports for processes that end and are started again: none of those that the system gives to whoever asks for any, so
 * that nobody takes them in the meantime.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the ports that Linux gives away by itself (`net.ipv4.ip_local_port_range`). */
const FIRST = 20_000;
const END = 32_000;
/** Each process has so many to itself, so that two test files that run at a time do not choose the same. */
const OWN = 200;
const SHARES = (END - FIRST) / OWN;
/** A process keeps the port with its share's number from here on in use, which tells the others that it has the share. */
const FIRST_KEPT = FIRST - SHARES;
const HOST = '127.0.0.1';

let share: Promise<number> | null = null;
let taken = 0;

/** Returns a port that is free, for TCP and for UDP. This process gets it again only after all of its others. */
export async function fixedPort(): Promise<number> {
  share ??= takeShare();
  const first = await share;
  for (;;) {
    const port = first + (taken++ % OWN);
    if ((await freeForTcp(port)) && (await freeForUdp(port))) return port;
  }
}

/** Returns the first of so many ports in a row that are free, for UDP. This process gives them to nobody else. */
export async function fixedPorts(count: number): Promise<number> {
  share ??= takeShare();
  const first = await share;
  for (;;) {
    // None goes round the end of this process's ports.
    if ((taken % OWN) + count > OWN) taken += OWN - (taken % OWN);
    const from = first + (taken % OWN);
    taken += count;
    const all = await Promise.all(Array.from({ length: count }, (_, i) => freeForUdp(from + i)));
    if (all.every((free) => free)) return from;
  }
}

/** Returns the first port of a share that no other process has, as long as this one lives. */
async function takeShare(): Promise<number> {
  for (let i = process.pid; i < process.pid + SHARES; i++) {
    if (await keep(FIRST_KEPT + (i % SHARES))) return FIRST + (i % SHARES) * OWN;
  }
  throw new Error(`${SHARES} processes have all ports from ${FIRST} to ${END}`);
}

function keep(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => resolve(true)).unref();
  });
}

function freeForTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}

function freeForUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind(port, HOST, () => socket.close(() => resolve(true)));
  });
}
