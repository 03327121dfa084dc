/** The client of the permission service, against real services on loopback. */
import { performance } from 'node:perf_hooks';
import { equal, is, match, ok, unreachable } from 'uvu/assert';
import { RequestError } from '../../src/main/errors.ts';
import { createLog } from '../../src/main/log/log.ts';
import { type PermissionLimits, Permissions } from '../../src/main/memberships/permissions.ts';
import {
  hang,
  type PermissionServer,
  startPermissionServer,
  startRawServer,
  status,
} from '../support/permission-server.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('permissions');

/** A deadline longer than anything here takes on a busy machine, milliseconds. */
const PATIENT_MS = 10_000;
const CACHE_MS = 600_000;

interface Asking {
  readonly permissions: Permissions;
  /** Counts of the answers. */
  readonly counted: string[];
  /** Asks. @returns `allowed`, or the kind of the refusal. */
  may(userid: string, conversation: string): Promise<string>;
  /** Asks. @returns the refusal. */
  refusal(userid: string, conversation: string): Promise<RequestError>;
}

function asking(url: string, timeout = PATIENT_MS, cache = 0, limits?: PermissionLimits): Asking {
  const counted: string[] = [];
  const permissions = new Permissions(
    { PERMISSIONS_HOST: url, PERMISSIONS_TIMEOUT_MS: timeout, PERMISSIONS_CACHE_MS: cache },
    createLog('silent'),
    {
      permission: (outcome, milliseconds) => {
        ok(milliseconds >= 0 && milliseconds < 60_000);
        counted.push(outcome);
      },
      permissionCached: () => counted.push('cached'),
    },
    limits,
  );
  const refusal = async (userid: string, conversation: string): Promise<RequestError> => {
    try {
      await permissions.allows(userid, conversation);
    } catch (error) {
      if (error instanceof RequestError) return error;
      throw error;
    }
    return unreachable('it was allowed') as never;
  };
  const may = (userid: string, conversation: string): Promise<string> =>
    permissions.allows(userid, conversation).then(
      () => 'allowed',
      (error: unknown) => (error instanceof RequestError ? error.kind : String(error)),
    );
  return { permissions, counted, may, refusal };
}

/** Asks a server one question. @returns the outcome and the counts. */
async function answered(server: PermissionServer, timeout = PATIENT_MS): Promise<[string, string[]]> {
  const { permissions, may, counted } = asking(server.url, timeout);
  try {
    return [await may('ann', 'kitchen'), counted];
  } finally {
    await permissions.close();
    await server.close();
  }
}

test('every status from 200 to 299 allows', async () => {
  for (const code of [200, 201, 204, 299]) {
    equal(await answered(await startPermissionServer(status(code))), ['allowed', ['allowed']], String(code));
  }
});

test('every status from 400 to 499 denies', async () => {
  for (const code of [400, 401, 403, 404, 410, 429, 499]) {
    equal(await answered(await startPermissionServer(status(code))), ['not-permitted', ['denied']], String(code));
  }
});

test('a denial says who denied it and what to do, and what it answered', async () => {
  const server = await startPermissionServer(status(403));
  const { permissions, refusal } = asking(server.url);
  const { message, headers } = await refusal('ann', 'kitchen');
  match(message, /^The permission service answered 403\. .*join again\.$/);
  equal(headers, { 'WWW-Authenticate': 'Bearer' });
  await permissions.close();
  await server.close();
});

test('every other status is no answer, and a redirect is not followed', async () => {
  const elsewhere = await startPermissionServer(status(204));
  for (const code of [300, 301, 302, 303, 304, 307, 308, 500, 502, 503, 599, 600, 999]) {
    const server = await startPermissionServer(status(code, { Location: `${elsewhere.url}/yes` }));
    equal(await answered(server), ['permissions-unavailable', ['failed']], String(code));
  }
  equal(elsewhere.asked, []);
  await elsewhere.close();
});

test('a service that does not exist is no answer, and the refusal says that a retry may help', async () => {
  const { permissions, refusal, counted } = asking(`http://127.0.0.1:${await freeUdpPort()}`);
  const { kind, message, headers } = await refusal('ann', 'kitchen');
  is(kind, 'permissions-unavailable');
  match(message, /nobody is let in; try again/);
  equal(headers, { 'Retry-After': '2' });
  equal(counted, ['failed']);
  await permissions.close();
});

test('a service that does not answer is waited for until the deadline and no longer', async () => {
  const since = performance.now();
  const server = await startPermissionServer(hang);
  equal(await answered(server, 150), ['permissions-unavailable', ['timeout']]);
  ok(performance.now() - since >= 140, 'it was waited for');
});

test('a service whose header comes byte by byte is not waited for beyond the deadline', async () => {
  const dripping = await startRawServer((socket) => {
    socket.write('HTTP/1.1 204 No Content\r\nX-Slow: ');
    const timer = setInterval(() => socket.write('x'), 20);
    socket.once('close', () => clearInterval(timer));
  });
  const { permissions, may, counted } = asking(dripping.url, 200);
  is(await may('ann', 'kitchen'), 'permissions-unavailable');
  equal(counted, ['timeout']);
  await permissions.close();
  dripping.close();
});

test('anything but HTTP, or an answer that ends too early, is no answer', async () => {
  const garbage = [
    'hello\r\n\r\n',
    '\0\0\0\0',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 20',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    `HTTP/1.1 204 No Content\r\nX-Much: ${'x'.repeat(100_000)}\r\n\r\n`,
    '',
  ];
  for (const text of garbage) {
    const server = await startRawServer((socket) => socket.end(text));
    const { permissions, may } = asking(server.url, 2000);
    is(await may('ann', 'kitchen'), 'permissions-unavailable', JSON.stringify(text.slice(0, 40)));
    await permissions.close();
    server.close();
  }
});

test('informational responses before the answer are passed over', async () => {
  const server = await startRawServer((socket) =>
    socket.end('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
  );
  const { permissions, may } = asking(server.url);
  is(await may('ann', 'kitchen'), 'not-permitted');
  await permissions.close();
  server.close();
});

test('the status is the answer, and a body that does not end holds its socket until the deadline at most', async () => {
  const server = await startPermissionServer((response) => response.writeHead(200).write('x'));
  const { permissions, may } = asking(server.url, 1000, 0, { cached: 10, sockets: 1, underWay: 10 });
  is(await may('ann', 'kitchen'), 'allowed');
  server.reply = status(403);
  await until('a socket is free', async () => (await may('ann', 'kitchen')) === 'not-permitted', { interval: 1 });
  await permissions.close();
  await server.close();
});

test('a long body is not read on', async () => {
  let ended: (value?: unknown) => void = () => undefined;
  const closed = new Promise((resolve) => {
    ended = resolve;
  });
  const server = await startPermissionServer((response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.once('close', ended).on('drain', more).writeHead(403);
    more();
  });
  // A deadline longer than the scenario's.
  const { permissions, may } = asking(server.url, 600_000, 0, { cached: 10, sockets: 1, underWay: 10 });
  is(await may('ann', 'kitchen'), 'not-permitted');
  await closed;
  server.reply = status(204);
  is(await may('ann', 'kitchen'), 'allowed', 'the one socket is free again');
  await permissions.close();
  await server.close();
});

test('ids arrive as they are, with any characters', async () => {
  const server = await startPermissionServer();
  const { permissions, may } = asking(`${server.url}/v1/permissions`);
  const ids = [
    'a/b',
    '/',
    '../../x',
    '...',
    '.a',
    'a.',
    '%',
    '%2F',
    '%2e%2e',
    'é😀',
    'a b',
    '?a=b',
    '#a',
    '\\',
    '"',
    "'",
  ];
  ids.push('x'.repeat(256), '😀'.repeat(128), '\u0001', 'a\r\nX-Injected: 1', '00000000-0000-4000-8000-000000000000');
  for (const id of ids) {
    is(await may(id, 'kitchen'), 'allowed', id);
    is(await may('ann', id), 'allowed', id);
  }
  const paths = server.asked.map((path) => path.split('/').slice(3));
  equal(
    paths.map(([user, userid, conversation, id]) => [
      user,
      decodeURIComponent(userid!),
      conversation,
      decodeURIComponent(id!),
    ]),
    ids.flatMap((id) => [
      ['user', id, 'conversation', 'kitchen'],
      ['user', 'ann', 'conversation', id],
    ]),
  );
  ok(server.asked.every((path) => path.startsWith('/v1/permissions/user/')));
  await permissions.close();
  await server.close();
});

test('ids that no path can hold are not asked about, and denied', async () => {
  const server = await startPermissionServer();
  const { permissions, refusal } = asking(server.url);
  for (const id of ['.', '..', '\ud800', 'a\udc00']) {
    is((await refusal(id, 'kitchen')).kind, 'not-permitted');
    const { kind, message } = await refusal('ann', id);
    is(kind, 'not-permitted');
    match(message, JSON.stringify(id));
  }
  equal(server.asked, []);
  await permissions.close();
  await server.close();
});

test('answers hold, of both kinds, for the user and the conversation they were given for', async () => {
  const server = await startPermissionServer((response, { url }) =>
    response.writeHead(url!.includes('kitchen') ? 204 : 404).end(),
  );
  const { permissions, may, counted } = asking(server.url, PATIENT_MS, CACHE_MS);
  for (let i = 0; i < 3; i++) {
    is(await may('ann', 'kitchen'), 'allowed');
    is(await may('ann', 'attic'), 'not-permitted');
  }
  is(await may('bob', 'kitchen'), 'allowed');
  equal(server.asked, [
    '/user/ann/conversation/kitchen',
    '/user/ann/conversation/attic',
    '/user/bob/conversation/kitchen',
  ]);
  equal(counted, ['allowed', 'denied', 'cached', 'cached', 'cached', 'cached', 'allowed']);
  await permissions.close();
  await server.close();
});

test('ids cannot be chosen so that one answer is taken for another', async () => {
  const server = await startPermissionServer();
  const { permissions, may } = asking(server.url, PATIENT_MS, CACHE_MS);
  const pairs = [
    ['a', 'b/conversation/c'],
    ['a/conversation/b', 'c'],
    ['a', 'b%2Fconversation%2Fc'],
    ['a%2Fconversation%2Fb', 'c'],
  ] as const;
  for (const [userid, conversation] of pairs) await may(userid, conversation);
  is(new Set(server.asked).size, pairs.length);
  await permissions.close();
  await server.close();
});

test('an answer expires, and the next question is asked anew', async () => {
  const server = await startPermissionServer(status(403));
  const { permissions, may } = asking(server.url, PATIENT_MS, 40);
  is(await may('ann', 'kitchen'), 'not-permitted');
  server.reply = status(204);
  await until('the answer has expired', async () => (await may('ann', 'kitchen')) === 'allowed', { interval: 10 });
  is(server.asked.length, 2);
  await permissions.close();
  await server.close();
});

test('without a cache every join is asked about', async () => {
  const server = await startPermissionServer();
  const { permissions, may } = asking(server.url);
  for (let i = 0; i < 3; i++) await may('ann', 'kitchen');
  is(server.asked.length, 3);
  await permissions.close();
  await server.close();
});

test('failures and temporary denials are not kept', async () => {
  const server = await startPermissionServer();
  const { permissions, may } = asking(server.url, PATIENT_MS, CACHE_MS);
  for (const code of [500, 302, 408, 429]) {
    server.reply = status(code);
    ok((await may('ann', 'kitchen')) !== 'allowed');
  }
  server.reply = status(204);
  is(await may('ann', 'kitchen'), 'allowed');
  is(server.asked.length, 5);
  await permissions.close();
  await server.close();
});

test('the cache has bounds: what was used least recently goes first', async () => {
  const server = await startPermissionServer();
  const limits = { cached: 2, sockets: 1, underWay: 10 };
  const { permissions, may, counted } = asking(server.url, PATIENT_MS, CACHE_MS, limits);
  for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) await may('ann', id);
  equal(counted, ['allowed', 'allowed', 'cached', 'allowed', 'cached', 'allowed']);
  await permissions.close();
  await server.close();
});

test('the same question is asked once at a time, and all who wait get the answer', async () => {
  const waiting: (() => void)[] = [];
  const server = await startPermissionServer((response) => waiting.push(() => response.writeHead(403).end()));
  const { permissions, may, counted } = asking(server.url);
  const answers = Promise.all(Array.from({ length: 50 }, () => may('ann', 'kitchen')));
  await server.wasAsked(1);
  waiting[0]!();
  equal(new Set(await answers), new Set(['not-permitted']));
  is(server.asked.length, 1);
  equal(counted, ['denied']);
  await permissions.close();
  await server.close();
});

test('more questions than can be under way are no answers, and the others get theirs', async () => {
  const waiting: (() => void)[] = [];
  const server = await startPermissionServer((response) => waiting.push(() => response.writeHead(204).end()));
  const { permissions, may, refusal } = asking(server.url, PATIENT_MS, 0, { cached: 10, sockets: 4, underWay: 2 });
  const [first, second] = [may('ann', 'a'), may('ann', 'b')];
  const third = await refusal('ann', 'c');
  is(third.kind, 'permissions-unavailable');
  is(third.headers['Retry-After'], '2');
  await server.wasAsked(2);
  for (const answer of waiting) answer();
  equal(await Promise.all([first, second]), ['allowed', 'allowed']);
  server.reply = status(204);
  is(await may('ann', 'c'), 'allowed');
  await permissions.close();
  await server.close();
});

test('no more sockets are open than allowed, and no question waits for one longer than the deadline', async () => {
  const server = await startPermissionServer(hang);
  const { permissions, may } = asking(server.url, 200, 0, { cached: 10, sockets: 2, underWay: 100 });
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => may('ann', String(i))));
  equal(new Set(answers), new Set(['permissions-unavailable']));
  ok(server.asked.length <= 4, String(server.asked.length));
  server.reply = status(204);
  is(await may('ann', 'again'), 'allowed');
  await permissions.close();
  await server.close();
});

test('a service that ends and comes back is asked again, on the same port', async () => {
  const first = await startPermissionServer();
  const { permissions, may } = asking(first.url);
  is(await may('ann', 'kitchen'), 'allowed');
  await first.close();
  is(await may('ann', 'kitchen'), 'permissions-unavailable');
  const second = await startPermissionServer(status(204), first.port);
  is(await may('ann', 'kitchen'), 'allowed');
  await permissions.close();
  await second.close();
});

test('a socket that the service closes as it is used again costs nobody a join', async () => {
  const server = await startPermissionServer();
  const { permissions, may } = asking(server.url, PATIENT_MS, 0, { cached: 10, sockets: 1, underWay: 10 });
  is(await may('ann', 'kitchen'), 'allowed');
  server.reply = (_, request) => {
    server.reply = status(204);
    request.socket.destroy();
  };
  is(await may('ann', 'kitchen'), 'allowed');
  is(server.asked.length, 3);
  server.reply = (_, request) => request.socket.destroy();
  is(await may('ann', 'kitchen'), 'permissions-unavailable', 'tried twice, not for ever');
  is(server.asked.length, 5);
  await permissions.close();
  await server.close();
});

test.run();
