import { request } from 'undici';
import { equal, instance, is, match, ok, throws } from 'uvu/assert';
import { readClaim } from '../../src/main/claim.ts';
import { RequestError } from '../../src/main/errors.ts';
import { exchange } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer } from '../support/server.ts';

const test = scenarios('claim');

const LONGEST = 'x'.repeat(256);

/** Header values that are accepted, and their claims. */
const GOOD: readonly (readonly [text: string, userid: string, clientid: string])[] = [
  ['{"userid":"u","clientid":"c"}', 'u', 'c'],
  [' { "clientid" : "c" , "userid" : "u" } ', 'u', 'c'],
  [`{"userid":"${LONGEST}","clientid":"${LONGEST}"}`, LONGEST, LONGEST],
  ['{"userid":"u","clientid":"c","exp":1,"roles":["a"],"nested":{"userid":"other"}}', 'u', 'c'],
  ['{"userid":"u","clientid":"c","__proto__":{"userid":"other"},"constructor":null}', 'u', 'c'],
  ['{"userid":"\\u00e9","clientid":"\\ud83d\\ude00"}', 'é', '😀'],
  ['{"userid":"a\\"b","clientid":"a b/c:d"}', 'a"b', 'a b/c:d'],
  ['{"userid":" ","clientid":"0"}', ' ', '0'],
  ['{"userid":"first","userid":"last","clientid":"c"}', 'last', 'c'],
];

/** Header values that are refused, and a part of the error's detail. */
const BAD: readonly (readonly [text: string, detail: string])[] = [
  ['', 'not JSON'],
  [' ', 'not JSON'],
  ['u', 'not JSON'],
  ['userid=u;clientid=c', 'not JSON'],
  ['{"userid":"u","clientid":"c"', 'not JSON'],
  ['{"userid":"u","clientid":"c"}}', 'not JSON'],
  ['{"userid":"u","clientid":"c"},{"userid":"u","clientid":"c"}', 'not JSON'],
  ["{'userid':'u','clientid':'c'}", 'not JSON'],
  ['eyJ1c2VyaWQiOiJ1In0=', 'not JSON'],
  ['null', 'not an object'],
  ['1', 'not an object'],
  ['true', 'not an object'],
  ['"u"', 'not an object'],
  ['[]', 'userid'],
  ['["u","c"]', 'userid'],
  ['[{"userid":"u","clientid":"c"}]', 'userid'],
  ['{}', 'userid'],
  ['{"clientid":"c"}', 'userid'],
  ['{"userid":"u"}', 'clientid'],
  ['{"UserId":"u","clientid":"c"}', 'userid'],
  ['{"userid":1,"clientid":"c"}', 'userid'],
  ['{"userid":"u","clientid":2}', 'clientid'],
  ['{"userid":null,"clientid":"c"}', 'userid'],
  ['{"userid":{"a":1},"clientid":"c"}', 'userid'],
  ['{"userid":["u"],"clientid":"c"}', 'userid'],
  ['{"userid":true,"clientid":"c"}', 'userid'],
  ['{"userid":"","clientid":"c"}', 'userid'],
  ['{"userid":"u","clientid":""}', 'clientid'],
  [`{"userid":"${LONGEST}x","clientid":"c"}`, 'userid'],
  [`{"userid":"u","clientid":"${LONGEST}x"}`, 'clientid'],
  ['{"__proto__":{"userid":"u","clientid":"c"}}', 'userid'],
];

for (const [text, userid, clientid] of GOOD) {
  test(`the claim ${text.slice(0, 60)} is taken`, () => {
    equal(readClaim({ headersDistinct: { 'x-user-claim': [text] } }), { userid, clientid });
  });
}

for (const [text, detail] of BAD) {
  test(`the claim ${JSON.stringify(text.slice(0, 60))} is refused because of: ${detail}`, () => {
    const error = refusal([text]);
    match(error.message, detail);
    match(error.message, /^X-User-Claim: .+\.$/);
  });
}

test('a missing claim is refused with a word about who sets it', () => {
  match(refusal(undefined).message, 'it is missing; backend-auth sets it');
  match(refusal([]).message, 'it is missing');
});

test('a duplicate claim is refused, even if both are the same', () => {
  const [claim] = GOOD[0]!;
  match(refusal([claim, claim]).message, 'it is there 2 times');
  match(refusal([claim, '']).message, 'it is there 2 times');
});

test('a refusal never repeats the header', () => {
  ok(!refusal(['{"userid":"hunter2","clientid":7}']).message.includes('hunter2'));
  ok(!refusal(['hunter2']).message.includes('hunter2'));
});

let server: Promise<RunningServer> | undefined;
function serve(): Promise<RunningServer> {
  server ??= startServer();
  return server;
}

test('UTF-8 names arrive through a real request as they were sent', async () => {
  const { port, logged } = await serve();
  const claim = Buffer.from('{"userid":"Zoë 😀","clientid":"ноутбук"}');
  const head = 'POST /join/room HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User-Claim: ';
  const response = await exchange(port, Buffer.concat([Buffer.from(head), claim, Buffer.from('\r\n\r\n')]));
  match(response, /^HTTP\/1\.1 200 OK\r\n/);
  const { userid, clientid } = JSON.parse(await logged('"msg":"joined"', 'ноутбук'));
  is(userid, 'Zoë 😀');
  is(clientid, 'ноутбук');
});

test("the header's name is taken in any case", async () => {
  const { url } = await serve();
  for (const name of ['x-user-claim', 'X-USER-CLAIM', 'X-User-Claim']) {
    const { statusCode } = await request(`${url}/join/room`, { method: 'POST', headers: { [name]: GOOD[0]![0] } });
    is(statusCode, 200, name);
  }
});

test('a claim sent in two header lines is refused by the server', async () => {
  const { port } = await serve();
  const line = `X-User-Claim: ${GOOD[0]![0]}\r\n`;
  const response = await exchange(
    port,
    `POST /join/room HTTP/1.1\r\nHost: x\r\n${line}Connection: close\r\n${line.toLowerCase()}\r\n`,
  );
  match(response, /^HTTP\/1\.1 400 /);
  match(response, 'it is there 2 times');
});

test('a claim in another header or in the query string is no claim', async () => {
  const { url } = await serve();
  const claim = GOOD[0]![0];
  const places = [
    request(`${url}/join/room`, { method: 'POST', headers: { 'X-User-Claims': claim } }),
    request(`${url}/join/room?X-User-Claim=${encodeURIComponent(claim)}`, { method: 'POST' }),
    request(`${url}/join/room`, { method: 'POST', headers: { Authorization: claim }, body: claim }),
  ];
  for (const { statusCode, body } of await Promise.all(places)) {
    is(statusCode, 400);
    match(await body.text(), 'it is missing');
  }
});

test('the server stops', async () => {
  is(await (await serve()).stop(), 0);
});

test('bytes that are not UTF-8 are refused: two different claims must not become one user', () => {
  throws(() => readClaim({ headersDistinct: { 'x-user-claim': ['{"userid":"\xff","clientid":"c"}'] } }), /UTF-8/);
});

test.run();

/** Returns the error with which header lines are refused. */
function refusal(values: string[] | undefined): RequestError {
  try {
    readClaim({ headersDistinct: values === undefined ? {} : { 'x-user-claim': values } });
  } catch (error) {
    instance(error, RequestError);
    is((error as RequestError).kind, 'bad-claim');
    return error as RequestError;
  }
  throw new Error('the claim was taken');
}
