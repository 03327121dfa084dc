/** What browsers have to make up, and throw away, where voices take turns in their one slot. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { is, ok } from 'uvu/assert';
import { type BrowserKind, browserAvailable, launchBrowser } from './support/browsers.ts';
import { startGateway } from './support/gateway.ts';
import { openVoicePage, TONES, type VoicePage } from './support/page.ts';
import { scenarios } from './support/scenario.ts';
import { startServer } from './support/server.ts';

const test = scenarios('browser-takeover');
const SECONDS = 200;
const TALKERS = fileURLToPath(new URL('./support/talkers.js', import.meta.url));
const PACKETS_MS = [20, 40, 60, 120];
const WARM_UP_MS = 4000;
/** Twenty turns of a second. */
const MEASURE_MS = 20_500;
const LEAST_TAKEOVERS = 18;
const MOST_CONCEALED = 0.001;
/** A busy machine sends late, which is concealed like anything late: the best of so many counts. */
const ATTEMPTS = 4;

interface Figures {
  readonly takeovers: number;
  readonly discarded: number;
  readonly concealed: number;
}

async function figuresOf(page: VoicePage): Promise<Figures> {
  const before = Object.values((await page.stats()).inbound)[0]!;
  const changes = await page.watchSpeakers(MEASURE_MS);
  const after = Object.values((await page.stats()).inbound)[0]!;
  const samples = after.totalSamplesReceived - before.totalSamplesReceived;
  ok(samples > 0.8 * 48 * MEASURE_MS, `${samples} samples`);
  return {
    takeovers: changes.length,
    discarded: after.packetsDiscarded - before.packetsDiscarded,
    concealed: (after.concealedSamples - before.concealedSamples) / samples,
  };
}

function isGood({ discarded, concealed }: Figures): boolean {
  return discarded === 0 && concealed < MOST_CONCEALED;
}

async function takeTurns(kind: BrowserKind): Promise<void> {
  const server = await startServer({});
  const gateway = await startGateway(server.port);
  const browser = await launchBrowser(kind);
  const talkers: ChildProcess[] = [];
  try {
    let left: readonly number[] = PACKETS_MS;
    const pages = new Map<number, VoicePage>();
    for (const [i, length] of PACKETS_MS.entries()) {
      const child = fork(TALKERS, [`http://127.0.0.1:${server.port}`, String(length), `room-${length}`], {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      });
      talkers.push(child);
      await once(child.stdout!, 'data');
      const page = await openVoicePage(browser, gateway, { user: `listener-${length}`, tone: TONES[i]! });
      // With a microphone, though hardly heard: without one Firefox keeps the loopback's address to itself.
      is((await page.connect({ slots: 1, gains: [-70] })).code, 1000);
      is((await page.join(`room-${length}`)).status, 200);
      pages.set(length, page);
    }
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
    for (let attempt = 1; left.length > 0 && attempt <= ATTEMPTS; attempt++) {
      const measured = await Promise.all(left.map((length) => figuresOf(pages.get(length)!)));
      left = left.filter((length, i) => {
        const { takeovers, discarded, concealed } = measured[i]!;
        const figures = `${takeovers} takeovers, ${discarded} discarded, ${(100 * concealed).toFixed(3)} % concealed`;
        console.log(`${kind}, ${length} ms: ${figures}`);
        ok(takeovers >= LEAST_TAKEOVERS, figures);
        return !isGood(measured[i]!);
      });
    }
    is(left.join(), '', 'packets of so many milliseconds are thrown away or made up for at takeovers');
  } finally {
    for (const child of talkers) child.kill('SIGKILL');
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

for (const kind of ['firefox', 'chromium'] as const) {
  const name = `${kind}: voices that take turns in a slot cost no packet, and next to no sound`;
  if (browserAvailable(kind) || process.env['REQUIRE_BROWSERS'] === '1') test(name, () => takeTurns(kind), SECONDS);
  else test.skip(name, `${kind} not installed`);
}

test.run();
