/** Two browsers behind a firewall that drops all UDP except for what goes to coturn, in network namespaces. */
import { equal, is, ok } from 'uvu/assert';
import { type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { type ClientPage, openClientPage, startClientGateway } from '../support/client-page.ts';
import { Coturn, hasTools, withoutTools } from '../support/coturn.ts';
import {
  Beyond,
  blockUdpExceptTo,
  inNamespace,
  namespacesWork,
  OUTSIDE,
  runInNamespace,
} from '../support/namespace.ts';
import { hearsExactly, TONES } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { TcpLink } from '../support/tcp-link.ts';

const test = scenarios('browser firewall');
const NAME = 'behind a firewall that drops UDP except to port 3478 Chromium and Firefox talk by TURN';
const TOOLS = ['turnserver', 'ip', 'iptables'];
const KINDS: readonly BrowserKind[] = ['chromium', 'firefox'];
const PORTS = { without: 8080, withTurn: 8081 };

if (!hasTools(...TOOLS)) withoutTools(test, NAME, ...TOOLS);
else if (!namespacesWork()) test.skip(NAME, 'no network namespace can be made here');
else if (!KINDS.every(browserAvailable) && process.env['REQUIRE_BROWSERS'] !== '1')
  test.skip(NAME, 'a browser is missing');
else if (inNamespace()) test(NAME, talk, 90);
else await runInNamespace();

/** Returns the type of the page's own candidate in use. */
function way(page: ClientPage): Promise<string> {
  return page.evaluate(`(async () => {
    const all = [...(await voiceClient.session.current.pc.getStats()).values()];
    const pair = all.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
    return all.find(({ id }) => id === pair.localCandidateId).candidateType;
  })()`);
}

async function talk(): Promise<void> {
  const beyond = Beyond.make();
  const coturn = await Coturn.start({ address: OUTSIDE, peers: OUTSIDE, port: 3478, by: beyond.by });
  await beyond.startServer(PORTS.without, { MEDIA_PORTS: '40000-40003', ICE_TIMEOUT_MS: '3000' });
  await beyond.startServer(PORTS.withTurn, { MEDIA_PORTS: '40010-40013', ...coturn.variables('udp') });
  blockUdpExceptTo(3478);
  const links = {
    without: await TcpLink.open(PORTS.without, OUTSIDE),
    withTurn: await TcpLink.open(PORTS.withTurn, OUTSIDE),
  };
  const gateway = await startClientGateway(links.without.port);
  const browsers = await Promise.all(KINDS.map((kind) => launchBrowser(kind)));
  try {
    const pages: ClientPage[] = [];
    for (const [i, browser] of browsers.entries()) {
      pages.push(await openClientPage(browser, gateway, { user: browser.kind, tone: TONES[i]! }));
    }
    for (const page of pages) {
      const error = await page.start({ conversation: 'attic', connectTimeout: 1 });
      is(error?.code, 'media-blocked', 'without TURN nothing gets through');
    }
    gateway.upstream = links.withTurn.port;
    for (const page of pages) is(await page.start({ conversation: 'attic' }), null);
    const [one, other] = pages as [ClientPage, ClientPage];
    await Promise.all([hearsExactly(one, [other.tone]), hearsExactly(other, [one.tone])]);
    equal(await Promise.all(pages.map(way)), ['relay', 'relay']);
    ok(coturn.lines.some((line) => line.includes(`peer ${OUTSIDE}`)));
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
    await gateway.close();
    for (const link of Object.values(links)) await link.close();
    await coturn.stop();
    beyond.close();
  }
}

test.run();
