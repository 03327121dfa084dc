/**
 * Close codes of clients that fail: they depend on whether STUN came, and so on whether the network or the answer is at
 * fault.
 */
import { is, match } from 'uvu/assert';
import { type BrowserKind, browserAvailable, launchBrowser } from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { openVoicePage, TONES } from '../support/page.ts';
import { prng } from '../support/prng.ts';
import { Relay } from '../support/relay.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';

const test = scenarios('browser-failures');
const SECONDS = 100;
const NO_ICE =
  /^not connected in time: no ICE check succeeded in 3000 ms: UDP is blocked, or the answer was rejected(?: \[|$)/;
const NO_DTLS =
  /^not connected in time: ICE connected, DTLS did not in 5000 ms; the client may have rejected the answer(?: \[|$)/;

const EITHER = new RegExp(`${NO_ICE.source}|${NO_DTLS.source}`);

async function failures(kind: BrowserKind): Promise<void> {
  const media = await freeUdpPort();
  const server = await startServer({
    MEDIA_PORTS: String(media),
    ICE_TIMEOUT_MS: '3000',
    CONNECT_TIMEOUT_MS: '5000',
  });
  const gateway = await startGateway(server.port);
  const [silent, stunOnly] = [await Relay.open(prng(1), media), await Relay.open(prng(2), media)];
  silent.blackhole = true;
  stunOnly.stunOnly = true;
  const browser = await launchBrowser(kind);
  const cases = [
    // The browser's ICE answers the server's checks even if the browser rejects the answer.
    { user: 'rejects the answer and stays', way: {}, reason: NO_DTLS },
    // The server cannot tell that from a network without UDP, unless a slow machine closes the connection after a
    // check.
    { user: 'rejects the answer and closes', way: { stays: false }, reason: EITHER },
    { user: 'gets no UDP through', way: { takes: true, port: silent.port }, reason: NO_ICE },
    // Firefox sends nothing to the relay, which is on loopback.
    ...(kind === 'firefox'
      ? []
      : [{ user: 'gets no DTLS through', way: { takes: true, port: stunOnly.port }, reason: NO_DTLS }]),
  ];
  try {
    await Promise.all(
      cases.map(async ({ user, way, reason }) => {
        const page = await openVoicePage(browser, gateway, { user, tone: TONES[0] });
        const close = await page.fail(way);
        is(close.code, 4504, user);
        match(close.reason, reason, user);
        const cause = NO_ICE.test(close.reason) ? 'no-ice' : 'no-dtls';
        await server.logged('"msg":"connection ended"', `"userid":"${user}"`, `"cause":"${cause}"`);
      }),
    );
  } finally {
    await browser.close();
    await gateway.close();
    await server.stop();
    silent.close();
    stunOnly.close();
  }
}

for (const kind of ['firefox', 'chromium'] as const) {
  const name = `${kind}: a client that rejects the answer is told otherwise than one whose UDP is blocked`;
  if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1') test(name, () => failures(kind), SECONDS);
  else test.skip(name, `${kind} not installed`);
}

test.run();
