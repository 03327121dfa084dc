/** The stand-in for backend-auth keeps its contract with any input. */
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { equal, is, match, not, ok } from 'uvu/assert';
import { temporaryFolder } from '../support/proxies.ts';
import { exchange } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { forge, type StandIn, startStandIn } from '../support/stand-in.ts';

const test = scenarios('backend-auth stand-in');

const RS256 = { alg: 'RS256', typ: 'JWT' };
const CLAIM = { userid: 'ann', clientid: 'phone' };

let shared: Promise<StandIn> | undefined;
/** A stand-in for all scenarios that do not change it. */
function standIn(): Promise<StandIn> {
  shared ??= startStandIn();
  return shared;
}

interface Answer {
  readonly status: number;
  readonly claim: string | undefined;
  readonly body: string;
}

/** Sends a request as a proxy does. @param uri the client's URI, if the proxy names it. */
async function ask(headers: Record<string, string>, uri?: string, method: 'GET' | 'PATCH' = 'GET'): Promise<Answer> {
  const { url } = await standIn();
  const all = { ...headers, ...(uri === undefined ? {} : { 'X-Forwarded-Uri': uri }) };
  const answer = await request(url, { method, headers: all });
  const claim = answer.headers['x-user-claim'] as string | undefined;
  return { status: answer.statusCode, claim, body: await answer.body.text() };
}

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const seconds = (): number => Math.floor(Date.now() / 1000);

test('a bearer token becomes the claim, and nothing but userid and clientid', async () => {
  const { token } = await standIn();
  const answer = await ask(bearer(await token('ann')));
  is(answer.status, 200);
  equal(JSON.parse(answer.claim!), { userid: 'ann', clientid: 'client' });
  is(answer.body, '');
});

test('a token in the query of the forwarded address does the same, whatever the method and the path', async () => {
  const { token, url } = await standIn();
  const made = await token('ann');
  for (const uri of [`/webrtc/connect?token=${made}`, `/?a=b&token=${made}&c`, `?token=${made}`]) {
    is((await ask({}, uri)).status, 200, uri);
  }
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const) {
    const direct = await request(`${url}any/path?token=${made}`, { method });
    is(direct.statusCode, 200, method);
    await direct.body.dump();
    is((await ask({ 'X-Forwarded-Method': method }, `/x?token=${made}`)).status, 200, method);
  }
});

test('without a token it is 400, and that says what to send', async () => {
  for (const uri of [undefined, '/', '/connect?', '/connect?token=', '/connect?tokens=x', '/connect#token=x']) {
    const answer = await ask({}, uri);
    is(answer.status, 400, uri);
    match(answer.body, 'Authorization: Bearer');
    is(answer.claim, undefined);
  }
});

test('the header wins over the query, even if the header is bad', async () => {
  const { token } = await standIn();
  const [good, other] = [await token('ann'), await token('bob')];
  equal(JSON.parse((await ask(bearer(good), `/?token=${other}`)).claim!).userid, 'ann');
  is((await ask(bearer(good), '/?token=rubbish')).status, 200);
  is((await ask(bearer('rubbish'), `/?token=${good}`)).status, 401);
  for (const header of ['Basic YTpi', 'Bearer', 'Bearer ', `Token ${good}`, `Bearer ${good} ${good}`]) {
    is((await ask({ Authorization: header }, `/?token=${good}`)).status, 400, header);
  }
});

test('the scheme is read in any case, as RFC 9110 has it', async () => {
  const { token } = await standIn();
  is((await ask({ Authorization: `bEARER  ${await token('ann')}` })).status, 200);
});

test('two tokens count as none: nobody can tell which of them another reader would take', async () => {
  const { token, port } = await standIn();
  const [ann, bob] = [await token('ann'), await token('bob')];
  is((await ask({}, `/?token=${ann}&token=${bob}`)).status, 400);
  const twice = ['Authorization: Bearer ', 'X-Forwarded-Uri: /?token='];
  for (const start of twice) {
    const lines = `${start}${ann}\r\n${start}${bob}\r\n`;
    const answer = await exchange(port, `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines}\r\n`);
    match(answer, /^HTTP\/1\.1 400 /);
    not.match(answer, /x-user-claim/i);
  }
});

test('expired, and not yet valid tokens are 401', async () => {
  const { token, privateKey } = await standIn();
  is((await ask(bearer(await token('ann', -1)))).status, 401);
  const key = privateKey();
  const now = seconds();
  const table: readonly (readonly [times: object, status: number])[] = [
    [{}, 200],
    [{ exp: now + 60, nbf: now - 60 }, 200],
    [{ exp: now + 0.5 + 60 }, 200],
    [{ exp: now }, 401],
    [{ exp: 0 }, 401],
    [{ nbf: now + 60 }, 401],
    [{ exp: String(now + 60) }, 401],
    [{ exp: null }, 401],
    [{ nbf: 'now' }, 401],
    [{ exp: [now + 60] }, 401],
  ];
  for (const [times, status] of table) {
    const answer = await ask(bearer(forge(RS256, { ...CLAIM, ...times }, key)));
    is(answer.status, status, JSON.stringify(times));
    is(answer.claim === undefined, status !== 200);
  }
});

test('hostile tokens are 401: no algorithm but RS256, no key but its own, no byte changed', async () => {
  const { privateKey } = await standIn();
  const key = privateKey();
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  const hmac = (secret: string | Buffer) => (signed: string) => createHmac('sha256', secret).update(signed).digest();
  const pss = (signed: string): Buffer => sign('sha256', Buffer.from(signed), { key, padding: 6, saltLength: 32 });
  const good = forge(RS256, CLAIM, key);
  const [head, body, signature] = good.split('.') as [string, string, string];
  const table: Record<string, string> = {
    'alg none': forge({ alg: 'none' }, CLAIM, () => ''),
    'alg none with a dot less': forge({ alg: 'none' }, CLAIM, () => '').slice(0, -1),
    'alg none with a real signature': forge({ alg: 'none' }, CLAIM, key),
    'alg nOnE': forge({ alg: 'nOnE' }, CLAIM, key),
    'HS256 with the public key as secret': forge({ alg: 'HS256' }, CLAIM, hmac(spki)),
    'RS256 in name, HS256 with the public key': forge(RS256, CLAIM, hmac(spki)),
    'HS256 with an empty secret': forge({ alg: 'HS256' }, CLAIM, hmac('')),
    RS512: forge({ alg: 'RS512' }, CLAIM, (signed) => sign('sha512', Buffer.from(signed), key)),
    'PS256 under the name of RS256': forge(RS256, CLAIM, pss),
    'a list of algorithms': forge({ alg: ['RS256'] }, CLAIM, key),
    'no algorithm': forge({}, CLAIM, key),
    'a critical extension': forge({ ...RS256, crit: ['b64'], b64: false }, CLAIM, key),
    'the key of a stranger': forge(RS256, CLAIM, stranger.privateKey),
    'a key in the header': forge(
      { ...RS256, jwk: stranger.publicKey.export({ format: 'jwk' }) },
      CLAIM,
      stranger.privateKey,
    ),
    'another claim under this signature': `${head}.${forge(RS256, { ...CLAIM, userid: 'bob' }, key).split('.')[1]}.${signature}`,
    'no signature': `${head}.${body}.`,
    'half a signature': `${head}.${body}.${signature.slice(0, signature.length / 2)}`,
    'four parts': `${good}.${signature}`,
    'one part': 'rubbish',
    dots: '..',
    'base64 with padding': `${head}=.${body}.${signature}`,
    'a claim that is a list': forge(RS256, [CLAIM], key),
    'a claim that is null': forge(RS256, null, key),
    'no userid': forge(RS256, { clientid: 'phone' }, key),
    'no clientid': forge(RS256, { userid: 'ann' }, key),
    'an empty userid': forge(RS256, { ...CLAIM, userid: '' }, key),
    'a userid that is a number': forge(RS256, { ...CLAIM, userid: 1 }, key),
    'a userid as long as no service takes it': forge(RS256, { ...CLAIM, userid: 'x'.repeat(257) }, key),
  };
  for (const [what, token] of Object.entries(table)) {
    const answer = await ask({}, `/?token=${encodeURIComponent(token)}`);
    is(answer.status, 401, what);
    is(answer.claim, undefined, what);
  }
  is((await ask(bearer(good))).status, 200);
});

test('every changed bit of a signature is noticed', async () => {
  const good = forge(RS256, CLAIM, (await standIn()).privateKey());
  const [head, body, signature] = good.split('.') as [string, string, string];
  for (let at = 0; at < 40; at++) {
    const bytes = Buffer.from(signature, 'base64url');
    bytes[(at * 37) % bytes.length]! ^= 1 << (at % 8);
    is((await ask(bearer(`${head}.${body}.${bytes.toString('base64url')}`))).status, 401, String(at));
  }
});

test('a claim is ASCII in the header, and says the same', async () => {
  const claim = { userid: 'Änn 🎤 "\\\r\n\u0000\u2028', clientid: 'ü\u007f' };
  const answer = await ask(bearer(forge(RS256, claim, (await standIn()).privateKey())));
  is(answer.status, 200);
  match(answer.claim!, /^[\x20-\x7e]*$/);
  equal(JSON.parse(answer.claim!), claim);
});

test('a claim that the client sends is not in the answer, and a token is not logged', async () => {
  const { token, child } = await standIn();
  const made = await token('ann');
  is((await ask({ 'X-User-Claim': JSON.stringify(CLAIM) })).claim, undefined);
  await ask(bearer(made), `/?token=${made}`);
  await ask({}, `/?token=${made}x`);
  const logged = child.lines.join('\n');
  for (const part of made.split('.').slice(1)) not.ok(logged.includes(part));
  match(logged, 'STAND-IN for backend-auth');
});

test('the private key is made once, is only its owner’s, and outlasts a restart', async () => {
  const keys = join(temporaryFolder('keys'), 'not', 'yet', 'there');
  const first = await startStandIn(keys);
  const token = await first.token('ann');
  is(await first.stop(), 0, 'SIGTERM ends it properly');
  const file = join(keys, 'private.pem');
  is(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file, 'utf8');
  const second = await startStandIn(keys);
  is(readFileSync(file, 'utf8'), before);
  const answer = await request(second.url, { headers: bearer(token) });
  is(answer.statusCode, 200);
  await answer.body.dump();
  is(await second.stop(), 0);
});

test('a wrong or too early request for a token is answered with how to do it', async () => {
  const { token } = await standIn();
  const why = await token('').catch((error: Error) => error.message);
  ok(String(why).includes('usage: node token.mjs'));
  const early = await startStandIn();
  await early.stop();
  rmSync(join(early.keys, 'private.pem'));
  match(await early.token('ann').catch((error: Error) => error.message), 'start the stand-in once');
});

test('it ends, for it is the last scenario', async () => is(await (await standIn()).stop(), 0));

test.run();
