/** Forged claims through a real proxy: none reaches the service, however it is spelled. */
import { equal, is, match, not, ok } from 'uvu/assert';
import { type Recorded, type Recorder, send, startRecorder } from '../support/proxied-server.ts';
import { behindProxies, type ProxyKind, type ReverseProxy, startProxy } from '../support/proxies.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer } from '../support/server.ts';
import { type StandIn, startStandIn } from '../support/stand-in.ts';

const test = scenarios('proxy and claims');
const SECONDS = 60;

interface Tapped {
  readonly proxy: ReverseProxy;
  readonly auth: StandIn;
  readonly recorder: Recorder;
}

/** Runs `body` with a proxy and a recorder instead of the server. */
async function withRecorder(kind: ProxyKind, body: (tapped: Tapped) => Promise<void>): Promise<void> {
  const [recorder, auth] = await Promise.all([startRecorder(), startStandIn()]);
  const proxy = await startProxy(kind, { server: recorder.port, auth: auth.port });
  try {
    await body({ proxy, auth, recorder });
  } finally {
    await Promise.all([proxy.stop(), recorder.close(), auth.stop()]);
  }
}

/** Returns the values of all headers that some server could read as the claim. */
function claims({ headers }: Recorded): string[] {
  return headers.flatMap((name, i) =>
    i % 2 === 0 && name.toLowerCase().replaceAll(/[^a-z]/g, '') === 'xuserclaim' ? [headers[i + 1]!] : [],
  );
}

const EVE = '{"userid":"eve","clientid":"x"}';
/** Forgeries: other spellings, several headers, other places. */
const SPELLINGS: readonly string[] = [
  `X-User-Claim: ${EVE}\r\n`,
  `x-user-claim: ${EVE}\r\n`,
  `X-USER-CLAIM: ${EVE}\r\n`,
  `X-User-Claim: ${EVE}\r\nX-User-Claim: ${EVE}\r\n`,
  `X-User-Claim: ${EVE}\r\nx-uSER-cLAIM: ${EVE}\r\n`,
  `X_User_Claim: ${EVE}\r\n`,
  `X-User_Claim: ${EVE}\r\n`,
  `x_user_claim: ${EVE}\r\nX-User-Claim: ${EVE}\r\n`,
  'X-User-Claim:\r\n',
  `X-User-Claim:\t${EVE}\r\n`,
  `X-User-Claim : ${EVE}\r\n`,
  `X-Nothing: a\r\n X-User-Claim: ${EVE}\r\n`,
  `X-User-Claim: ${EVE}\r\nX-Forwarded-User-Claim: ${EVE}\r\n`,
];

behindProxies(
  test,
  'a claim that the client sends never reaches the service, however it is spelled',
  (kind) =>
    withRecorder(kind, async ({ proxy, auth, recorder }) => {
      const token = await auth.token('ann');
      const raw = (lines: string, method = 'POST', path = '/webrtc/join/a'): Promise<string> => {
        const end = /^Connection:/im.test(lines) ? '' : 'Connection: close\r\n';
        return exchange(proxy.port, `${method} ${path} HTTP/1.1\r\nHost: x\r\n${end}${lines}\r\n`, /\r\n\r\n/);
      };
      let arrived = 0;
      for (const spelling of SPELLINGS) {
        for (const connection of ['', HANDSHAKE]) {
          await raw(`${spelling}${connection}Authorization: Bearer ${token}\r\n`, connection === '' ? 'POST' : 'GET');
          for (const got of recorder.take()) {
            arrived++;
            equal(
              claims(got).map((claim) => JSON.parse(claim).userid),
              ['ann'],
              `${spelling}${got.headers}`,
            );
          }
          await raw(`${spelling}${connection}`);
          await raw(`${spelling}${connection}Authorization: Bearer x\r\n`);
          equal(recorder.take(), [], `without a token: ${spelling}`);
          await raw(`${spelling}${connection}`, 'OPTIONS');
          for (const got of recorder.take()) equal(claims(got), [], `OPTIONS: ${spelling}`);
        }
      }
      ok(arrived >= SPELLINGS.length, `only ${arrived} requests arrived; nothing would have been proved`);
    }),
  SECONDS,
);

behindProxies(
  test,
  'naming the claim in Connection does not remove it, and forwarding headers smuggle no token in',
  (kind) =>
    withRecorder(kind, async ({ proxy, auth, recorder }) => {
      const token = await auth.token('ann');
      const raw = (lines: string): Promise<string> =>
        exchange(
          proxy.port,
          `POST /webrtc/join/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${lines}\r\n`,
          /\r\n\r\n/,
        );
      await raw(
        `Connection: close, X-User-Claim, Authorization\r\nAuthorization: Bearer ${token}\r\nX-User-Claim: ${EVE}\r\n`,
      );
      for (const got of recorder.take()) ok(claims(got).every((claim) => JSON.parse(claim).userid === 'ann'));
      for (const name of ['X-Forwarded-Uri', 'X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL']) {
        match(await raw(`Connection: close\r\n${name}: /?token=${token}\r\n`), /^HTTP\/1\.1 400 /, name);
      }
      equal(recorder.take(), []);
    }),
  SECONDS,
);

behindProxies(
  test,
  'the service gets the proxy’s secret, and never one that a client sends, however it is spelled',
  async (kind) => {
    const secrets = ({ headers }: Recorded): string[] =>
      headers.flatMap((name, i) =>
        i % 2 === 0 && name.toLowerCase().replaceAll(/[^a-z]/g, '') === 'xproxysecret' ? [headers[i + 1]!] : [],
      );
    for (const secret of ['0123456789-_.~+/=abcdef', undefined]) {
      const [recorder, auth] = await Promise.all([startRecorder(), startStandIn()]);
      const upstreams = { server: recorder.port, auth: auth.port };
      const proxy = await startProxy(kind, secret === undefined ? upstreams : { ...upstreams, secret });
      try {
        const token = await auth.token('ann');
        let arrived = 0;
        for (const spelling of SPELLINGS) {
          const forged = spelling.replaceAll(/user([-_])claim/gi, 'Proxy$1Secret').replaceAll(EVE, 'forged');
          for (const connection of ['', HANDSHAKE]) {
            const head = `${connection === '' ? 'POST' : 'GET'} /webrtc/join/a HTTP/1.1\r\nHost: x\r\n`;
            const end = connection === '' ? 'Connection: close\r\n' : connection;
            await exchange(proxy.port, `${head}${end}${forged}Authorization: Bearer ${token}\r\n\r\n`, /\r\n\r\n/);
            for (const got of recorder.take()) {
              arrived++;
              equal(secrets(got).filter(Boolean), secret === undefined ? [] : [secret], `${forged}${got.headers}`);
            }
          }
        }
        ok(arrived >= SPELLINGS.length, `only ${arrived} requests arrived; nothing would have been proved`);
      } finally {
        await Promise.all([proxy.stop(), recorder.close(), auth.stop()]);
      }
    }
  },
  SECONDS,
);

behindProxies(
  test,
  'a server with a secret answers what came through the proxy that has it, and 403 to everything else',
  async (kind) => {
    const secret = '0123456789-_.~+/=abcdef';
    const [server, auth] = await Promise.all([startServer({ PROXY_SECRET: secret }), startStandIn()]);
    const proxy = await startProxy(kind, { server: server.port, auth: auth.port, secret });
    try {
      const headers = { Authorization: `Bearer ${await auth.token('ann')}` };
      is((await send(proxy, 'POST', '/join/a', headers)).status, 200);
      is((await fetch(`${server.url}/join/a`, { method: 'POST', headers: claimHeader('ann') })).status, 403);
    } finally {
      await Promise.all([proxy.stop(), server.stop(), auth.stop()]);
    }
  },
  SECONDS,
);

behindProxies(
  test,
  'the service gets neither the header with the token nor the prefix',
  (kind) =>
    withRecorder(kind, async ({ proxy, auth, recorder }) => {
      const token = await auth.token('ann');
      is((await send(proxy, 'POST', '/join/a%2Fb', { Authorization: `Bearer ${token}` })).status, 200);
      const [got] = recorder.take();
      is(got?.url, '/join/a%2Fb');
      not.ok(got?.headers.join('\n').includes(token));
    }),
  SECONDS,
);

behindProxies(
  test,
  'where nobody can verify a token, nobody gets through',
  (kind) =>
    withRecorder(kind, async ({ proxy, auth, recorder }) => {
      const token = await auth.token('ann');
      await auth.stop();
      const answer = await send(proxy, 'POST', '/join/a', { Authorization: `Bearer ${token}`, 'X-User-Claim': EVE });
      ok(answer.status >= 500, String(answer.status));
      is(answer.headers['access-control-allow-origin'], '*');
      equal(recorder.take(), []);
    }),
  SECONDS,
);

behindProxies(
  test,
  'where backend-auth allows a request and names nobody, the request has no claim',
  async (kind) => {
    const [recorder, auth] = await Promise.all([startRecorder(), startRecorder()]);
    const proxy = await startProxy(kind, { server: recorder.port, auth: auth.port });
    try {
      is((await send(proxy, 'POST', '/join/a', { Authorization: 'Bearer x', 'X-User-Claim': EVE })).status, 200);
      equal(claims(recorder.take()[0]!), []);
      for (const { method, headers } of auth.take()) {
        is(method, 'GET');
        not.ok(headers.includes(EVE), 'the forged claim is no business of backend-auth');
      }
    } finally {
      await Promise.all([proxy.stop(), recorder.close(), auth.close()]);
    }
  },
  SECONDS,
);

test.run();
