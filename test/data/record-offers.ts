/**
 * Records the offers in `offers/` anew with the browsers installed here: `node dist/test/data/record-offers.js`.
 */
import { writeFileSync } from 'node:fs';
import { type BrowserKind, launchBrowser } from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { openVoicePage, type Shape } from '../support/page.ts';

/** Beside the source, seen from the compiled file in `dist/test/data`. */
const OFFERS = new URL('../../../test/data/offers/', import.meta.url);

const SHAPES: Record<string, Shape> = {
  sendrecv: {},
  'slots-3': { slots: 3 },
  datachannel: { slots: 3, dataChannel: true },
  'audio-video': { video: true },
  recvonly: { listenOnly: true },
};

async function record(kind: BrowserKind, mdns: boolean, shapes: Record<string, Shape>): Promise<void> {
  const browser = await launchBrowser(kind, { mdns });
  const page = await openVoicePage(browser, gateway, { user: 'recorder', tone: 440 });
  for (const [name, shape] of Object.entries(shapes)) {
    const file = `${kind}-${browser.majorVersion}-${name}.sdp`;
    writeFileSync(new URL(file, OFFERS), await page.offer(shape));
    console.log(file);
  }
  await browser.close();
}

// The offers are made without the server behind the gateway: its port is never used.
const gateway = await startGateway(0);
for (const kind of ['chromium', 'firefox'] as const) {
  await record(kind, false, SHAPES);
  await record(kind, true, { mdns: {} });
}
await gateway.close();
