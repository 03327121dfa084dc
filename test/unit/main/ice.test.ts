/** What `GET /ice` tells a client. */
import { createHmac } from 'node:crypto';
import { equal, is, match, ok } from 'uvu/assert';
import { readConfig } from '../../../src/main/config.ts';
import { IceServers, turnName } from '../../../src/main/http/ice.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('ice');

const TURN_SECRET = '0123456789abcdef';
const TURN_URLS = 'turn:turn.example.org?transport=udp,turns:turn.example.org:443';

function serversAt(seconds: number, ttl = '600'): IceServers {
  return new IceServers(readConfig({ TURN_URLS, TURN_SECRET, TURN_TTL_S: ttl }), () => seconds * 1000 + 999);
}

test('without TURN servers the list is empty', () => {
  const { status, headers, body } = new IceServers(readConfig({})).answer({ userid: 'ann' });
  is(status, 200);
  is(headers['Cache-Control'], 'no-store');
  equal(JSON.parse(body), { iceServers: [] });
});

test('a user gets all servers, and a password that is the HMAC-SHA1 of expiry and userid', () => {
  const { status, headers, body } = serversAt(1_800_000_000).answer({ userid: 'ann' });
  is(status, 200);
  is(headers['Cache-Control'], 'no-store');
  is(headers['Content-Type'], 'application/json');
  const username = '1800000600:ann';
  const credential = createHmac('sha1', TURN_SECRET).update(username).digest('base64');
  equal(JSON.parse(body), { iceServers: [{ urls: TURN_URLS.split(','), username, credential }] });
});

test('credentials are made anew for each request, and never expire sooner than asked', () => {
  let now = 1000;
  const servers = new IceServers(readConfig({ TURN_URLS, TURN_SECRET, TURN_TTL_S: '1' }), () => now);
  const expiry = (): number => Number.parseInt(servers.serversFor({ userid: 'ann' })[0]!.username, 10);
  is(expiry(), 2);
  now = 5_000_000;
  is(expiry(), 5001);
});

test('a userid that coturn would refuse is replaced by digits, the same each time', () => {
  for (const userid of ['ann', 'ann@example.org', 'a.b-c_d+e', 'reunion', 'selected', 'x'.repeat(256)]) {
    is(turnName(userid), userid);
  }
  const refused = ['a b', "o'neil", 'a"b', 'a\\b', 'a\nb', 'a:b', 'é', '名', 'unionselect', 'x-SELECT-Union', '\ud800'];
  for (const userid of refused) {
    match(turnName(userid), /^[0-9a-f]{32}$/);
    is(turnName(userid), turnName(userid));
  }
  is(new Set(refused.map(turnName)).size, refused.length);
});

test('a username fits into STUN, whatever the userid', () => {
  for (const userid of ['x'.repeat(256), '名'.repeat(256), '\u0000'.repeat(256)]) {
    const [server] = serversAt(1_800_000_000).serversFor({ userid });
    ok(Buffer.byteLength(server!.username) < 509, server!.username);
  }
});

test.run();
