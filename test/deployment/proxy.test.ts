/**
 * A real proxy with the shipped configuration in front of the server: which requests get through, and with which claim.
 */
import { generateKeyPairSync } from 'node:crypto';
import { equal, is, match, not, ok } from 'uvu/assert';
import { type Answer, type ProxiedServer, send, withProxy } from '../support/proxied-server.ts';
import { behindProxies } from '../support/proxies.ts';
import { exchange } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { forge } from '../support/stand-in.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('proxy');
/** Time limit, seconds: four processes have to start. */
const SECONDS = 60;

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

function hasCors(answer: Answer, what: string): void {
  is(answer.headers['access-control-allow-origin'], '*', what);
}

/** Returns the names in a list header, in lower case. */
function names(value: string | string[] | undefined): string[] {
  return String(value)
    .toLowerCase()
    .split(/\s*,\s*/);
}

/** Returns the user that joined this conversation, by the server's log. */
async function joined({ server }: ProxiedServer, conversation: string): Promise<string> {
  const line = await server.logged('"joined"', JSON.stringify(conversation));
  return JSON.parse(line).userid;
}

behindProxies(
  test,
  'a token gets through and becomes the claim; none is 400, a bad one 401, each with CORS headers',
  (kind) =>
    withProxy(kind, async (proxied) => {
      const { proxy, auth } = proxied;
      const [ann, bob] = [await auth.token('ann'), await auth.token('bob')];
      is((await send(proxy, 'POST', '/join/a', bearer(ann))).status, 200);
      is(await joined(proxied, 'a'), 'ann');
      is((await send(proxy, 'POST', `/join/b?token=${ann}`)).status, 200);
      is(await joined(proxied, 'b'), 'ann');
      is((await send(proxy, 'POST', `/join/c?token=${ann}`, bearer(bob))).status, 200);
      is(await joined(proxied, 'c'), 'bob', 'the header wins');
      const expired = await auth.token('ann', -1);
      const table: readonly (readonly [what: string, status: number, ask: () => Promise<Answer>])[] = [
        ['none', 400, () => send(proxy, 'POST', '/join/x')],
        ['an empty one', 400, () => send(proxy, 'POST', '/join/x?token=')],
        ['no bearer', 400, () => send(proxy, 'POST', `/join/x?token=${ann}`, { Authorization: 'Basic YTpi' })],
        ['rubbish', 401, () => send(proxy, 'POST', '/join/x?token=rubbish')],
        ['rubbish wins over a good one', 401, () => send(proxy, 'POST', `/join/x?token=${ann}`, bearer('rubbish'))],
        ['expired', 401, () => send(proxy, 'POST', '/join/x', bearer(expired))],
        ['of another key', 401, () => send(proxy, 'POST', '/join/x', bearer(signedByAnother(ann)))],
        ['a websocket without one', 400, () => send(proxy, 'GET', '/connect')],
      ];
      for (const [what, status, ask] of table) {
        const answer = await ask();
        is(answer.status, status, what);
        hasCors(answer, what);
        if (status === 401) match(String(answer.headers['www-authenticate']), 'Bearer', what);
      }
      const full = await send(proxy, 'GET', '/connect', bearer(ann));
      is(full.status, 426, 'the server’s own refusals come through');
      hasCors(full, 'of the server');
      not.ok(proxied.server.logs.some((line) => line.includes('"x"')));
    }),
  SECONDS,
);

/** Returns a token like this one with another key's signature. */
function signedByAnother(token: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const payload = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  return forge({ alg: 'RS256' }, payload, privateKey);
}

behindProxies(
  test,
  'a preflight needs no token; what may be asked for is any origin and the three headers',
  (kind) =>
    withProxy(kind, async ({ proxy, auth }) => {
      const before = auth.child.lines.length;
      for (const path of ['/connect', '/join/a', '/join/a?token=rubbish']) {
        const answer = await send(proxy, 'OPTIONS', path, {
          Origin: 'https://app.example',
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization',
        });
        ok(answer.status === 200 || answer.status === 204, `${path}: ${answer.status}`);
        hasCors(answer, path);
        equal(names(answer.headers['access-control-allow-headers']), ['content-type', 'authorization', 'x-user-claim']);
        const methods = names(answer.headers['access-control-allow-methods']);
        for (const method of ['get', 'post', 'put', 'delete', 'patch']) ok(methods.includes(method), method);
      }
      equal(auth.child.lines.slice(before), [], 'nobody was asked');
    }),
  SECONDS,
);

behindProxies(
  test,
  'the operators’ paths do not exist, and paths with tricks lead nowhere without a token',
  (kind) =>
    withProxy(kind, async ({ server, proxy, auth }) => {
      const token = await auth.token('ann');
      for (const path of ['/healthz', '/readyz', '/metrics', '/conversations', '/conversations/a', '/_auth', '/']) {
        is((await send(proxy, 'GET', path, bearer(token))).status, 404, path);
        is((await send(proxy, 'GET', path)).status, 400, `${path} without a token`);
      }
      const outside = [
        '/',
        '/metrics',
        '/healthz',
        '/_auth',
        '/connect',
        '/join/x',
        '/webrtc',
        '/WEBRTC/join/x',
        '/webrtcx',
      ];
      const inside = [
        '/webrtc/../join/x',
        '/webrtc/%2e%2e/join/x',
        '/webrtc/..%2fjoin/x',
        '/x/../webrtc/join/x',
        '/x/%2e%2e/webrtc/join/x',
        '//webrtc/join/x',
        '/./webrtc/join/x',
        '/webrtc//join/x',
        '/webrtc/./join/x',
        '/webrtc/join/x/../x',
        '/webrtc/join/x%2f..%2fx',
        '/%77ebrtc/join/x',
        '/webrtc%2fjoin/x',
        '/webrtc/join/x;/../x',
        '/webrtc/\\../join/x',
        '/webrtc/join/x#?token=',
        'http://elsewhere.example/webrtc/join/x',
      ];
      const raw = (path: string, more = ''): Promise<string> =>
        exchange(
          proxy.port,
          `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n${more}\r\n`,
        );
      for (const path of outside) {
        match(await raw(path, `Authorization: Bearer ${token}\r\n`), /^HTTP\/1\.1 (404|405|301|307) /, path);
      }
      for (const path of [...outside, ...inside]) {
        const answer = await raw(path, 'X-User-Claim: {"userid":"eve","clientid":"x"}\r\n');
        match(answer, /^HTTP\/1\.1 (30[178]|4\d\d) /, path);
        not.match(answer, /^HTTP\/1\.1 20/, path);
      }
      not.ok(
        server.logs.some((line) => line.includes('"joined"')),
        'nobody joined anything',
      );
    }),
  SECONDS,
);

behindProxies(
  test,
  'a conversation id arrives as it was written, with every character that needs escaping',
  (kind) =>
    withProxy(kind, async (proxied) => {
      const token = bearer(await proxied.auth.token('ann'));
      for (const id of ['a/b', 'a b', 'a%b', 'ä🎤', 'a?b#c', '..', '.', 'a\\b', 'a;b', 'a+b&c=d', 'x'.repeat(256)]) {
        const escaped = encodeURIComponent(id).replaceAll('.', '%2E');
        const { status, body } = await send(proxied.proxy, 'POST', `/join/${escaped}`, token);
        // A segment of dots is no name in a path, escaped or not (RFC 3986, section 6.2.2.2).
        if (/^\.+$/.test(id)) ok(status >= 300 && status < 500, `${id}: ${status}`);
        else {
          is(status, 200, `${id}: ${body}`);
          is(await joined(proxied, id), 'ann');
        }
      }
    }),
  SECONDS,
);

behindProxies(
  test,
  'a request has one id in the logs of proxy and server and in what it is refused with, and no client chooses it',
  (kind) =>
    withProxy(kind, async ({ proxy, server, auth }) => {
      const headers = { ...bearer(await auth.token('ann')), 'X-Request-Id': 'forged' };
      is((await send(proxy, 'POST', '/join/a', headers)).status, 200);
      const { request: id } = JSON.parse(await server.logged('"msg":"joined"')) as { request: string };
      match(id, kind === 'nginx' ? /^[0-9a-f]{32}$/ : /^[\w-]{12}$/);
      const refused = await send(proxy, 'POST', `/join/${'x'.repeat(257)}`, headers);
      const { requestid } = JSON.parse(refused.body) as { requestid: string };
      is.not(requestid, 'forged');
      is.not(requestid, id);
      // Traefik makes none.
      if (kind !== 'nginx') return;
      for (const one of [id, requestid]) {
        await until(`nginx has logged ${one}`, () => proxy.logs().includes(`request=${one}`));
      }
    }),
  SECONDS,
);

test.run();
