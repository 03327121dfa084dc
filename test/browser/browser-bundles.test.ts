/** Bundles that begin with any kind of m-line, with any policy: the browser connects, is heard and hears. */
import { is, ok } from 'uvu/assert';
import { type BrowserKind, browserAvailable, launchBrowser, outwardAddress } from '../support/browsers.ts';
import { ClientHost, SILENCE, type TestClient } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { openVoicePage, type Shape, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('browser bundles');

const FIRST = ['video', 'data', 'inactive', 'pcmu'] as const;
const POLICIES = ['balanced', 'max-compat', 'max-bundle'] as const;
/** Packets that have to arrive in each direction. */
const ENOUGH = 25;

/** Connects the page, and waits until it is heard and hears. */
async function connectAndTalk(page: VoicePage, other: TestClient, shape: Shape): Promise<void> {
  const name = `${shape.first} first, ${shape.bundlePolicy}`;
  const { code, answer } = await page.connect(shape).catch((error: Error) => {
    throw new Error(`${name}: ${error.message}`);
  });
  is(code, 1000, name);
  let heard = 0;
  const received = async (): Promise<number> =>
    Object.values((await page.stats()).inbound).reduce((sum, { packetsReceived }) => sum + packetsReceived, 0);
  await other.take();
  await until(`${name}: both receive packets`, async () => {
    heard += (await other.take()).filter(({ from }) => from !== SILENCE).length;
    return heard >= ENOUGH && (await received()) >= ENOUGH;
  });
  const lines = await page.lines();
  const report = `${name}: ${JSON.stringify(lines)}\n${answer}`;
  const refused = lines.slice(0, shape.first === 'data' ? 0 : 1);
  for (const { direction, sent } of refused) {
    ok(['inactive', 'stopped'].includes(direction), report);
    is(sent, 0, report);
  }
  is(lines[refused.length]!.direction, 'sendrecv', report);
}

async function tryAll(kind: BrowserKind): Promise<void> {
  const server = await startServer({ WORKERS: '1' });
  const gateway = await startGateway(server.port);
  const browser = await launchBrowser(kind);
  const host = new ClientHost();
  try {
    const user = `${kind}-guest`;
    const page = await openVoicePage(browser, gateway, { user, tone: TONES[0] });
    const other = await host.connect(server.url, 'other', { slots: 1 });
    await fetch(`${server.url}/join/kitchen`, { method: 'POST', headers: claimHeader('other') });
    await other.talk();
    is((await page.join('kitchen')).status, 200);
    for (const bundlePolicy of POLICIES) {
      for (const first of FIRST) await connectAndTalk(page, other, { first, bundlePolicy, slots: 2 });
    }
  } finally {
    host.kill();
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

for (const kind of ['chromium', 'firefox'] as const) {
  const name = `${kind}: video, data, inactive audio or PCMU first in the bundle, with each bundlePolicy`;
  const gathers = kind === 'chromium' || outwardAddress() !== undefined;
  if ((browserAvailable(kind) && gathers) || process.env['REQUIRE_BROWSERS'] === '1')
    test(name, () => tryAll(kind), 100);
  else test.skip(name, gathers ? `${kind} not installed` : 'Firefox gathers no loopback candidates');
}

test.run();
