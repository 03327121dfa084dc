/** HTTP requests as bytes to both listeners of a real server: claims, ids of conversations, methods, anything. */
import { connect } from 'node:net';
import { below, type Random } from '../support/prng.ts';
import { HANDSHAKE } from '../support/raw.ts';
import { FuzzedServer } from './process.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateText } from './text.ts';
import { mutateBytes } from './wire.ts';

const AT_A_TIME = 32;
/** The documented statuses, and those with which Node and the websocket library answer malformed requests. */
const STATUSES: ReadonlySet<number> = new Set([101, 200, 400, 403, 404, 405, 408, 413, 417, 426, 431, 503]);
/** Time in which the server must have closed the connection, milliseconds. */
const PATIENCE_MS = 10_000;
const MOST_BYTES = 40_000;

const METHODS = [
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'DELETE',
  'DELETE',
  'HEAD',
  'PUT',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'PRI',
  'get',
  'M-SEARCH',
];
const PATHS = [
  '/connect',
  '/join/',
  '/join/room',
  '/healthz',
  '/readyz',
  '/metrics',
  '/conversations',
  '/conversations/room',
];
const ACTS = [
  '/conversations/room/users/ann/kick',
  '/conversations/room/users/ann/mute',
  '/conversations?after=0&limit=9',
];
const ESCAPES = [
  '%00',
  '%0a',
  '%2f',
  '%252f',
  '%ff',
  '%c3%28',
  '%ed%a0%80',
  '%f0%9f%98%80',
  '%',
  '%4',
  '%zz',
  '..',
  '//',
  ':',
  '*',
  '?',
  '#',
  ';',
  '\\',
  '@',
  'é',
];
const VALUES = [
  '"ann"',
  '""',
  'null',
  '1',
  '{}',
  '[]',
  '["ann"]',
  'true',
  '"\\u0000"',
  '"\\ud800"',
  `"${'x'.repeat(257)}"`,
  '"__proto__"',
  '"é"',
];
const HEADERS = [
  'Content-Length: 5',
  'Content-Length: -1',
  'Content-Length: 5, 5',
  'Transfer-Encoding: chunked',
  'Expect: 100-continue',
  'Expect: x',
  'Host: y',
  'Origin: http://x',
  'Upgrade: h2c',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 99',
  'Sec-WebSocket-Extensions: permessage-deflate; x=1',
  ': x',
  'X y: z',
  'X: \x01',
];

function claim(random: Random): string {
  if (!oneIn(random, 3)) return 'X-User-Claim: {"userid":"ann","clientid":"a"}\r\n';
  const value = (): string => pick(random, VALUES);
  let json = `{"userid":${value()},"clientid":${value()}}`;
  if (oneIn(random, 4))
    json = `{"__proto__":${value()},"userid":${value()},"userid":${value()},"clientid":${value()},"exp":1}`;
  if (oneIn(random, 4)) json = pick(random, VALUES);
  if (oneIn(random, 4)) json = mutateText(random, json);
  if (oneIn(random, 40)) json = `[`.repeat(below(random, 20_000));
  const name = oneIn(random, 10)
    ? pick(random, ['x-user-claim', 'X-USER-CLAIM ', 'X-User-Claim\t', 'X_User_Claim'])
    : 'X-User-Claim';
  const line = `${name}: ${json.replace(/[\r\n]/g, oneIn(random, 4) ? '\r\n ' : '')}\r\n`;
  return oneIn(random, 10) ? line + claim(random) : line;
}

function path(random: Random): string {
  let text = pick(random, oneIn(random, 3) ? ACTS : PATHS);
  for (let more = oneIn(random, 2) ? 0 : below(random, 3); more > 0; more--) text += pick(random, ESCAPES);
  if (oneIn(random, 6)) text = mutateText(random, text).replace(/[\r\n ]/g, '');
  if (oneIn(random, 30)) text += 'x'.repeat(below(random, 20_000));
  if (oneIn(random, 8)) text += `?${mutateText(random, 'after=1&limit=10&token=x').replace(/[\r\n ]/g, '')}`;
  return oneIn(random, 40) ? `http://x${text}` : text;
}

/** Returns a valid method and a valid path except for the id in it. */
function idLine(random: Random): string {
  const id = oneIn(random, 3) ? 'room' : anyId(random);
  const user = oneIn(random, 2) ? 'ann' : anyId(random);
  const paths = [`POST /join/${id}`, `POST /join/${id}`, `DELETE /join/${id}`, 'GET /connect', 'GET /readyz'];
  return pick(random, [...paths, `GET /conversations/${id}`, `POST /conversations/${id}/users/${user}/kick`]);
}

/** Returns characters that are escaped, not escaped, or escaped wrongly. */
function anyId(random: Random): string {
  const most = oneIn(random, 20) ? 300 : 12;
  const raw = String.fromCharCode(
    ...Array.from({ length: 1 + below(random, most) }, () => random() & (oneIn(random, 2) ? 0x7f : 0xffff)),
  );
  const escaped = encodeURIComponent(raw.toWellFormed());
  if (!oneIn(random, 4)) return escaped;
  return (escaped + pick(random, ESCAPES)).slice(below(random, 3)).replace(/[\r\n ]/g, '');
}

/** Returns one request or two, as bytes. */
export function anyRequest(random: Random): Buffer {
  const line = oneIn(random, 3) ? `${pick(random, METHODS)} ${path(random)}` : idLine(random);
  let text = `${line} HTTP/1.1\r\nHost: x\r\n`;
  if (!oneIn(random, 8)) text += claim(random);
  for (let more = oneIn(random, 4) ? 3 : 0; more > 0; more--)
    if (oneIn(random, 2)) text += `${pick(random, HEADERS)}\r\n`;
  if (oneIn(random, line.includes('/connect') ? 1 : 10))
    text += oneIn(random, 3) ? mutateText(random, HANDSHAKE) : HANDSHAKE;
  text += '\r\n';
  if (oneIn(random, 8)) text += pick(random, ['hello', '5\r\nhello\r\n0\r\n\r\n', '\x81\x05hello', text]);
  const bytes = Buffer.from(text, oneIn(random, 2) ? 'latin1' : 'utf8');
  if (!oneIn(random, 5)) return bytes;
  const room = Buffer.alloc(Math.max(MOST_BYTES, bytes.length + 300));
  bytes.copy(room);
  return room.subarray(0, mutateBytes(random, room, bytes.length, room.length));
}

/** Sends a request, ends its side, and waits until the server has closed the connection. @returns the answer. */
function ask(port: number, request: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(request));
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`not hung up after ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    socket.on('data', (chunk) => chunks.push(chunk));
    // A server that refuses a request before it has read all of it resets the connection.
    socket.once('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
    socket.once('end', () => socket.destroySoon());
  });
}

async function attempt(ports: readonly number[], random: Random, outcomes: Counters): Promise<void> {
  const request = anyRequest(random);
  const port = pick(random, ports);
  const text = await ask(port, request).catch((error: unknown) => {
    throw new Error(`${error} for ${JSON.stringify(request.toString('latin1').slice(0, 2000))}`);
  });
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  for (const status of statuses) {
    const known = STATUSES.has(status) || status === 100;
    insist(known, () => `${status} for ${JSON.stringify(request.toString('latin1').slice(0, 2000))}: ${text}`);
    outcomes.add(String(status));
  }
  if (statuses.length === 0) outcomes.add('hung up');
}

export const requests: FuzzTarget = {
  name: 'requests',
  unit: 'requests',
  parallel: AT_A_TIME,
  weight: 2,
  async start() {
    const fuzzed = await FuzzedServer.start();
    const { server } = fuzzed;
    const ports = [server.port, server.port, Number(new URL(server.adminUrl).port)];
    return {
      async run(random, outcomes) {
        fuzzed.check();
        await attempt(ports, random, outcomes);
        return 1;
      },
      rss: () => fuzzed.rss(),
      end: () => fuzzed.end(),
    };
  },
};
