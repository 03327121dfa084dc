/** Who may act by the operators' listener, and what came through the proxy. */
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, is, match, throws } from 'uvu/assert';
import type { RequestError } from '../../../src/main/errors.ts';
import { checkProxySecret } from '../../../src/main/http/proxy-secret.ts';
import { isLoopback } from '../../../src/main/ip-address.ts';
import { OperatorAccess } from '../../../src/main/operations/admin-token.ts';
import { acts } from '../../../src/main/operations/routes.ts';
import { sameSecret } from '../../../src/main/secrets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('operator access');
const TOKEN = 'a-token-for-operators';
const folder = mkdtempSync(join(tmpdir(), 'access-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
const path = join(folder, 'token');

/** Returns the problem and the header of a refusal, or null. */
function refusal(ask: () => void): { kind: string; challenge: string | undefined; message: string } | null {
  try {
    ask();
    return null;
  } catch (error) {
    const { kind, headers, message } = error as RequestError;
    return { kind, challenge: headers['WWW-Authenticate'], message };
  }
}
const asking = (access: OperatorAccess, authorization?: string) =>
  refusal(() => access.check({ headers: authorization === undefined ? {} : { authorization } }));

test('without a token, only loopback acts, and the refusal says what to set', () => {
  const access = new OperatorAccess('');
  is(asking(access)?.kind, 'forbidden', 'before it listens');
  for (const [address, allowed] of [
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
  ] as const) {
    access.listening(address);
    is(asking(access) === null, allowed, address);
  }
  match(asking(access)!.message, /ADMIN_TOKEN_FILE/);
});

test('with a token, nobody acts without it, on loopback either', () => {
  writeFileSync(path, `${TOKEN}\n`);
  const access = new OperatorAccess(path);
  access.listening('127.0.0.1');
  is(asking(access, `Bearer ${TOKEN}`), null);
  is(asking(access, `bearer  ${TOKEN}`), null);
  equal(asking(access)?.challenge, 'Bearer');
  for (const wrong of ['', 'Bearer', 'Bearer ', TOKEN, `Basic ${TOKEN}`])
    is(asking(access, wrong)?.challenge, 'Bearer');
  for (const wrong of ['x', `${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase()]) {
    const { kind, challenge } = asking(access, `Bearer ${wrong}`)!;
    equal([kind, challenge], ['bad-token', 'Bearer error="invalid_token"'], wrong);
  }
});

test('another token counts as soon as the file has it, and nobody acts while it has none', () => {
  writeFileSync(path, TOKEN);
  const access = new OperatorAccess(path);
  writeFileSync(path, 'another-token-for-them');
  is(asking(access, 'Bearer another-token-for-them'), null);
  is(asking(access, `Bearer ${TOKEN}`)?.kind, 'bad-token');
  writeFileSync(path, '');
  const empty = asking(access, 'Bearer x')!;
  equal([empty.kind, /ADMIN_TOKEN_FILE is an empty file/.test(empty.message)], ['forbidden', true]);
  unlinkSync(path);
  is(asking(access, `Bearer ${TOKEN}`)?.kind, 'forbidden');
});

test('a file without a token is an error at the start', () => {
  writeFileSync(path, '\n');
  throws(() => new OperatorAccess(path), /ADMIN_TOKEN_FILE is an empty file/);
  throws(() => new OperatorAccess(join(folder, 'missing')), /ADMIN_TOKEN_FILE is a file that cannot be read/);
  throws(() => new OperatorAccess(folder), /ADMIN_TOKEN_FILE is a file that cannot be read/);
  throws(() => new OperatorAccess('/dev/zero'), /ADMIN_TOKEN_FILE is a file that cannot be read/);
  writeFileSync(path, 'x'.repeat(15));
  throws(() => new OperatorAccess(path), /ADMIN_TOKEN_FILE has no token/);
});

test('what is no GET acts, and so does a GET that says so', () => {
  is(acts({ method: 'GET' }), false);
  is(acts({ method: 'POST' }), true);
  is(acts({ method: 'GET', acts: true }), true);
});

test('a request needs the proxy’s secret once, and either of two', () => {
  const both = { PROXY_SECRET: ['first-of-the-proxy', 'second-of-the-proxy'] };
  const check = (values: string[] | undefined, config: { PROXY_SECRET: string[] } = both) =>
    refusal(() =>
      checkProxySecret({ headersDistinct: values === undefined ? {} : { 'x-proxy-secret': values } }, config),
    );
  for (const good of both.PROXY_SECRET) is(check([good]), null);
  for (const bad of [undefined, [''], ['x'], ['first-of-the-proxy '], both.PROXY_SECRET]) {
    is(check(bad)?.kind, 'forbidden', String(bad));
  }
  match(check(undefined)!.message, /^X-Proxy-Secret is missing: /);
  for (const any of [undefined, ['x'], ['x', 'y']]) is(check(any, { PROXY_SECRET: [] }), null);
});

test('secrets are the same if they are, and hosts are loopback if nobody else reaches them', () => {
  is(sameSecret('a', 'a'), true);
  for (const other of ['', 'b', 'aa', 'A']) is(sameSecret('a', other), false);
  for (const host of ['localhost', '127.0.0.1', '::1']) is(isLoopback(host), true, host);
  for (const host of [undefined, '', '0.0.0.0', '::', '128.0.0.1', '127.example.org', 'a']) is(isLoopback(host), false);
});

test.run();
