/** `npm run gateway`: the demo's gateway on its own, for pages that people develop elsewhere. */
import { equal, is, match, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import { type ClientPage, openClientPage } from '../support/client-page.ts';
import { startGatewayCommand } from '../support/gateway-command.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { startRewritingProxy } from '../support/rewriting-proxy.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser gateway');
const EACH = ['chromium', 'firefox'] as const;

inBrowsers(test, EACH, 'a page of an origin that it was told talks through it', async ({ open, gateway: pages }) => {
  const gateway = await startGatewayCommand([`--origin=${pages.url}/some/page`, '--origin', 'http://localhost:5173']);
  try {
    ok(gateway.lines.some((line) => line.includes('FOR DEVELOPMENT ONLY')));
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start({ url: gateway.api, token: 'ann', conversation: 'attic' }), null);
    is(await bob.start({ url: gateway.api, token: 'Bob%20B.tab', conversation: 'attic' }), null);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
    is(await bob.call('leave'), null);
  } finally {
    is(await gateway.stop(), 0);
  }
});

inBrowsers(
  test,
  EACH,
  'any other page learns from the client’s error why it is refused, also behind a proxy that rewrites Host',
  async ({ browser, open, gateway: pages }) => {
    const gateway = await startGatewayCommand([]);
    const proxy = await startRewritingProxy(pages.port, Number(new URL(gateway.api).port));
    const refused = async (page: ClientPage, url: string): Promise<string> => {
      const error = await page.start({ url, token: 'ann', conversation: 'attic' });
      equal([error?.code, error?.status], ['forbidden', 403], JSON.stringify(error));
      is((await page.events()).filter(({ name }) => name === 'retry').length, 0, 'it is not tried again');
      return error!.message;
    };
    try {
      const said = await refused(await open('ann'), gateway.api);
      match(said, `start the gateway with --origin ${pages.url}, or`);
      const behind = await openClientPage(browser, proxy, { user: 'bob', tone: TONES[1] });
      match(await refused(behind, '/webrtc'), `--origin ${proxy.url}, or let your proxy pass Host on as it is`);
      // A page that does not say where it is.
      await behind.evaluate(`{
        const policy = Object.assign(document.createElement('meta'), { name: 'referrer', content: 'no-referrer' });
        document.head.append(policy);
      }`);
      const error = await behind.start({ url: '/webrtc', token: 'ann', connectTimeout: 100 });
      is(error?.code, 'unreachable');
      match(error!.message, 'a proxy must pass on Upgrade, Connection and Host, and allow the origin of this page');
    } finally {
      await proxy.close();
      is(await gateway.stop(), 0);
    }
  },
);

test('it answers other pages with the cause, also behind a proxy that rewrites Host', async () => {
  const gateway = await startGatewayCommand(['--origin=http://localhost:5173']);
  const join = (headers: Record<string, string>, method = 'POST'): Promise<Response> =>
    fetch(`${gateway.api}/join/room`, { method, headers: { authorization: 'Bearer ann', ...headers } });
  try {
    is((await join({ origin: 'http://localhost:5173' })).status, 200);
    is((await join({ origin: new URL(gateway.api).origin })).status, 200);
    is((await join({})).status, 200);
    const other = await join({ origin: 'http://localhost:3000' });
    is(other.status, 403);
    const { detail } = (await other.json()) as { detail: string };
    match(detail, 'start the gateway with --origin http://localhost:3000');
    match(detail, 'or let your proxy pass Host on as it is');
    is(other.headers.get('access-control-allow-origin'), 'http://localhost:3000', 'the page may read why');
    const ice = (referer: string): Promise<Response> =>
      fetch(`${gateway.api}/ice`, { headers: { authorization: 'Bearer ann', referer } });
    is((await ice('http://localhost:3000/page')).status, 403);
    for (const own of ['http://localhost:5173/page', `${new URL(gateway.api).origin}/`, 'nonsense'])
      is((await ice(own)).status, 200, own);
    const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
    const allowed = await join({ ...asks, origin: 'http://localhost:5173' }, 'OPTIONS');
    equal(
      [allowed.status, allowed.headers.get('access-control-allow-origin')],
      [204, 'http://localhost:5173'],
      'a preflight needs no token',
    );
    is((await join({ ...asks, origin: 'http://localhost:3000' }, 'OPTIONS')).status, 403);
  } finally {
    is(await gateway.stop(), 0);
  }
});

test('a port in use ends it before a server has started', async () => {
  const first = await startGatewayCommand([]);
  try {
    const second = await startGatewayCommand([`--port=${new URL(first.api).port}`]);
    is(second.api, '');
    is(await second.stop(), 1);
    const said = second.lines.join('\n');
    match(said, 'The port is in use');
    ok(!said.includes('the server is running'), said);
  } finally {
    is(await first.stop(), 0);
  }
});

test('it explains its options', async () => {
  const gateway = await startGatewayCommand(['--help']);
  is(await gateway.stop(), 0);
  const said = gateway.lines.join('\n');
  for (const option of ['--origin', '--port', '--server', '--help']) match(said, option);
  ok(!said.includes('FOR DEVELOPMENT ONLY'), 'nothing starts');
});

test('a wrong option ends it with what it may be', async () => {
  for (const [option, says] of [
    ['--origin=localhost:5173', '--origin is "localhost:5173": set it to the page’s scheme, host and port'],
    ['--server=80000', '--server is "80000": set it to a port up to 65535'],
  ] as const) {
    const gateway = await startGatewayCommand([option]);
    is(gateway.api, '');
    is(await gateway.stop(), 1);
    ok(
      gateway.lines.some((line) => line.replace("'", '’').includes(says)),
      gateway.lines.join('\n'),
    );
  }
});

test.run();
