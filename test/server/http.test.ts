/** Routes, claims and refusals, with real requests to a real server. */
import { request } from 'undici';
import { equal, is, match, ok } from 'uvu/assert';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';

const test = scenarios('http');

const CLAIM = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
const BAD_CLAIMS: readonly (string | undefined)[] = [
  undefined,
  '',
  'x',
  '[]',
  '7',
  '{}',
  '{"userid":"u","clientid":1}',
];

let running: Promise<RunningServer> | undefined;
function serve(): Promise<RunningServer> {
  // Another file tests the limits on joins: here the same user joins as fast as the machine can.
  running ??= startServer({ MAX_JOINS_PER_SECOND: '1000' });
  return running;
}

type Method = 'GET' | 'POST' | 'DELETE' | 'PUT' | 'PATCH' | 'OPTIONS' | 'HEAD';

interface Response {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Sends a request, with a valid claim unless other headers are given. */
async function ask(
  method: Method,
  path: string,
  headers: Record<string, string> = claimHeader('ann'),
): Promise<Response> {
  const { url } = await serve();
  const answer = await request(`${url}${path}`, { method, headers });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

/** Sends a raw request, which no client library would send. */
async function askRaw(line: string, headers = CLAIM): Promise<Response> {
  const { port } = await serve();
  return readResponse(await exchange(port, `${line} HTTP/1.1\r\nHost: x\r\n${headers}Connection: close\r\n\r\n`));
}

/** Sends a request for an upgrade. */
async function askUpgrade(line: string, headers = CLAIM, handshake = HANDSHAKE): Promise<Response> {
  const { port } = await serve();
  const text = `${line} HTTP/1.1\r\nHost: x\r\n${headers}${handshake}\r\n`;
  return readResponse(await exchange(port, text, /^HTTP\/1\.1 101 /));
}

function readResponse(text: string): Response {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.replace(/^[^:]*: */, '')]);
  return { status: Number(status.split(' ')[1]), headers: Object.fromEntries(headers), body };
}

/** Fails unless this is a complete problem (RFC 9457). */
function isProblem({ status, headers, body }: Response, expected: number, detail: RegExp | string): void {
  is(status, expected, body);
  is(headers['content-type'], 'application/problem+json');
  is(Number(headers['content-length']), Buffer.byteLength(body));
  const problem = JSON.parse(body);
  const { requestid, ...rest } = problem;
  equal(Object.keys(rest).sort(), ['detail', 'status', 'title', 'type']);
  // What is no HTTP has no id.
  if (requestid !== undefined) match(requestid, /^[\w.-]{1,64}$/);
  is(problem.type, 'about:blank');
  is(problem.status, expected);
  ok(problem.title.length > 0);
  match(problem.detail, detail);
}

test('joining and leaving answer 200 with an empty body', async () => {
  for (const method of ['POST', 'POST', 'DELETE', 'DELETE'] as const) {
    const { status, headers, body } = await ask(method, '/join/kitchen');
    is(status, 200);
    is(body, '');
    is(headers['content-length'], '0');
    is(headers['content-type'], undefined);
  }
});

test("a bad claim is 400 on every endpoint, and the title is the contract's", async () => {
  for (const claim of BAD_CLAIMS) {
    const headers: Record<string, string> = claim === undefined ? {} : { 'X-User-Claim': claim };
    const answers = [
      ask('POST', '/join/kitchen', headers),
      ask('DELETE', '/join/kitchen', headers),
      ask('GET', '/connect', headers),
    ];
    for (const response of await Promise.all(answers)) {
      isProblem(response, 400, /^X-User-Claim: /);
      is(JSON.parse(response.body).title, 'Error parsing X-User-Claim header');
    }
  }
});

test('a conversation id may be anything of 1 to 256 characters', async () => {
  const { logged } = await serve();
  const ids = [
    'a',
    'x'.repeat(256),
    'a b',
    'é😀',
    'a/b',
    '%',
    '?',
    '..%2F',
    '...',
    '.a',
    '%2e%2e',
    "';--",
    '00000000-0000-4000-8000-000000000000',
  ];
  for (const id of ids) {
    is((await ask('POST', `/join/${encodeURIComponent(id)}`)).status, 200, id);
    await logged(`"conversation":${JSON.stringify(id)}`, '"msg":"joined"');
  }
});

test('an empty conversation id is 400, with and without the slash', async () => {
  for (const path of ['/join', '/join/', '/join/?token=x', '/join?token=x']) {
    for (const method of ['POST', 'DELETE'] as const) isProblem(await ask(method, path), 400, 'is empty');
  }
});

test('a conversation id that is too long is 400 and says how long it is', async () => {
  isProblem(await ask('POST', `/join/${'x'.repeat(257)}`), 400, /has 257 characters; 256 are allowed/);
  isProblem(await ask('POST', `/join/${'%41'.repeat(257)}`), 400, /has 257 characters/);
  isProblem(await ask('POST', `/join/${'x'.repeat(8000)}`), 400, /has 8000 characters/);
});

test('a badly escaped path is 400', async () => {
  for (const path of ['/join/%zz', '/join/%ff', '/join/%', '/join/%4', '/join/%c3%28', '/join/%ed%a0%80']) {
    for (const method of ['POST', 'DELETE'])
      isProblem(await askRaw(`${method} ${path}`), 400, 'percent-encode it as UTF-8');
  }
  isProblem(await askRaw('GET /connect%zz'), 400, 'badly escaped');
});

test('a badly escaped path is 400 for any other method too, and no method is promised for it', async () => {
  for (const line of ['PUT /join/%zz', 'OPTIONS /%ff', 'PATCH /nowhere/%zz']) {
    const response = await askRaw(line);
    is(response.headers['allow'], undefined, line);
    is(response.status, 400, line);
  }
});

test('a conversation id with control characters is 400', async () => {
  for (const code of ['%00', '%0a', '%0d%0a', '%1f', '%7f']) {
    isProblem(await ask('POST', `/join/a${code}b`), 400, 'control characters');
  }
});

test('a conversation id that is a step in a path is 400, escaped or not', async () => {
  for (const id of ['.', '..', '%2e', '%2E%2e', '.%2e']) {
    for (const method of ['POST', 'DELETE'])
      isProblem(await askRaw(`${method} /join/${id}`), 400, 'a step in the path');
  }
});

test('every other path is 404', async () => {
  const paths = ['/', '/connect/', '/connections', '/join/a/b', '/join/a/', '/JOIN/a', '/Connect', '//connect'];
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      isProblem(await ask(method, path), 404, 'GET /connect, GET /ice and POST or DELETE /join/:conversationid');
    }
  }
  is((await askRaw('OPTIONS *')).status, 404);
});

test('a wrong method is 405 and Allow names the right ones', async () => {
  for (const method of ['GET', 'PUT', 'PATCH', 'OPTIONS'] as const) {
    const response = await ask(method, '/join/kitchen');
    isProblem(response, 405, method);
    is(response.headers['allow'], 'DELETE, POST');
  }
  for (const method of ['POST', 'DELETE', 'PUT', 'OPTIONS'] as const) {
    const response = await ask(method, '/connect');
    isProblem(response, 405, method);
    is(response.headers['allow'], 'GET');
  }
  const { status, headers, body } = await ask('HEAD', '/connect');
  is(status, 405);
  is(headers['allow'], 'GET');
  is(body, '');
});

test('GET /connect without an upgrade is 426 and names websocket', async () => {
  const response = await ask('GET', '/connect');
  isProblem(response, 426, /websocket/);
  is(response.headers['upgrade'], 'websocket');
  match(String(response.headers['connection']), /upgrade/i);
});

test('an upgrade with a bad claim is 400 and no websocket', async () => {
  for (const claim of BAD_CLAIMS) {
    isProblem(
      await askUpgrade('GET /connect', claim === undefined ? '' : `X-User-Claim: ${claim}\r\n`),
      400,
      /X-User-Claim/,
    );
  }
});

test('a websocket at any path except /connect is 404, or the path’s own answer', async () => {
  for (const path of ['/', '/join/kitchen/ws', '/connect/', '/socket.io/?transport=websocket']) {
    isProblem(await askUpgrade(`GET ${path}`), 404, 'GET /connect');
  }
  is((await askUpgrade('GET /join/kitchen')).status, 405);
  is((await askUpgrade('POST /connect')).status, 405);
  is((await askUpgrade('GET /join/%zz')).status, 400);
});

test('an upgrade with another method or to another protocol is served as a plain request', async () => {
  const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
  const joined = await askUpgrade('POST /join/kitchen', CLAIM, h2c);
  is(joined.status, 200);
  is(joined.body, '');
  is((await askUpgrade('DELETE /join/kitchen', CLAIM, HANDSHAKE)).status, 200);
  isProblem(await askUpgrade('GET /connect', CLAIM, h2c), 426, 'websocket');
  is((await askUpgrade('GET /connect', CLAIM, HANDSHAKE.replace('websocket', 'WebSocket'))).status, 101);
});

test('an invalid websocket handshake is refused, and nothing is left of it', async () => {
  is((await askUpgrade('GET /connect', CLAIM, HANDSHAKE.replace(/Sec-WebSocket-Key: .*\r\n/, ''))).status, 400);
  is((await askUpgrade('GET /connect', CLAIM, HANDSHAKE.replace('Key: dGhl', 'Key: ')))?.status, 400);
  const old = await askUpgrade('GET /connect', CLAIM, HANDSHAKE.replace('Version: 13', 'Version: 12'));
  ok(old.status === 400 || old.status === 426, String(old.status));
});

test('query strings are ignored', async () => {
  is((await ask('POST', '/join/kitchen?token=y')).status, 200);
  is((await ask('DELETE', '/join/kitchen?token=%zz')).status, 200);
  is((await ask('GET', '/connect?token=x')).status, 426);
  is((await askUpgrade('GET /connect?token=x')).status, 101);
});

test('a header that is too large is 431', async () => {
  const { status } = await askRaw('POST /join/kitchen', `${CLAIM}X-Much: ${'x'.repeat(20_000)}\r\n`);
  is(status, 431);
  is((await askRaw('POST /join/kitchen', `${CLAIM}X-Much: ${'x'.repeat(12_000)}\r\n`)).status, 200);
});

test('a body is read and thrown away, and the connection goes on', async () => {
  const { port } = await serve();
  const body = 'x'.repeat(100_000);
  const first = `POST /join/kitchen HTTP/1.1\r\nHost: x\r\n${CLAIM}Content-Length: ${body.length}\r\n\r\n${body}`;
  const second = `DELETE /join/kitchen HTTP/1.1\r\nHost: x\r\n${CLAIM}Connection: close\r\n\r\n`;
  is((await exchange(port, first + second)).match(/HTTP\/1\.1 200 OK/g)?.length, 2);
});

test('anything but HTTP is 400', async () => {
  const { port } = await serve();
  match(await exchange(port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('after all of this the server stops with code 0 and has logged no error', async () => {
  const server = await serve();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test.run();
