/** Who hears whom in a browser: six pages with tones of different loudness and three slots each. */
import { is, ok } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { type InboundStats, openVoicePage, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('browser-loudness');
const NAME =
  'chromium: of six who sing each hears exactly the three loudest others, also after changes, without a click';
const SECONDS = 180;
const SLOTS = 3;
/** Loudness of each page's tone, in dB below full scale. */
const GAINS = [0, -7, -14, -21, -28, -35];
/** Level by which a slot's tone exceeds all others, and level below which a slot is silent, dB. */
const CLEAR_DB = 12;
const SILENT_DB = -75;
const SWITCH_SECONDS = 30;
const SWITCHES = 50;
/** Longest time until a page that becomes the loudest is heard, and the largest share of concealed samples. */
const LOUDER_MS = 500;
const CONCEALED = 0.01;
/** Largest number of measurements of the two. */
const TRIES = 20;

/** Returns the tone in each slot; null where there is none or more than one. */
async function tonesIn(page: VoicePage): Promise<(number | null)[]> {
  const { levels } = await page.hear();
  return Object.values(levels).map((slot) => {
    if (slot === null) return null;
    const [first, second] = [...slot].sort((a, b) => b - a);
    if (first! < SILENT_DB || first! - second! < CLEAR_DB) return null;
    return TONES[slot.indexOf(first!)]!;
  });
}

/** Waits until a page hears exactly these tones in three observations in a row. */
async function hears(page: VoicePage, tones: readonly number[]): Promise<void> {
  const wanted = [...tones].sort((a, b) => a - b).join();
  const trail: string[] = [];
  for (let row = 0; row < 3; ) {
    const heard = (await tonesIn(page)).sort((a, b) => (a ?? 0) - (b ?? 0)).join();
    trail.push(heard);
    row = heard === wanted ? row + 1 : 0;
    if (trail.length > 300) throw new Error(`${page.tone} should hear ${wanted}, heard ${trail.join(' | ')}`);
  }
}

/** Waits until a page is in a slot of another. @returns its speaker number. */
function numberOf(page: VoicePage, listener: VoicePage): Promise<number> {
  const look = async (): Promise<number | null | undefined> => {
    const tones = await tonesIn(listener);
    return Object.values(await listener.speakers())[tones.indexOf(page.tone)];
  };
  return until(`${page.tone} is in a slot of ${listener.tone}`, look);
}

function sum(inbound: Record<string, InboundStats>, key: 'concealedSamples' | 'totalSamplesReceived'): number {
  return Object.values(inbound).reduce((total, stats) => total + stats[key], 0);
}

async function compete(): Promise<void> {
  const server = await startServer({ STATS_INTERVAL_MS: '1000' });
  const gateway = await startGateway(server.port);
  const browser = await launchBrowser('chromium');
  try {
    const pages: VoicePage[] = [];
    for (const [i, tone] of TONES.entries()) {
      const page = await openVoicePage(browser, gateway, { user: `page-${i}`, tone });
      is((await page.connect({ slots: SLOTS, gains: [GAINS[i]!] })).code, 1000);
      is((await page.join('stage')).status, 200);
      pages.push(page);
    }
    const loudestOthers = (order: readonly VoicePage[], page: VoicePage): number[] =>
      order
        .filter((one) => one !== page)
        .slice(0, SLOTS)
        .map(({ tone }) => tone);
    for (const page of pages) await hears(page, loudestOthers(pages, page));

    // The softest page becomes the loudest, and a listener of the softer half hears it within half a second. A busy
    // machine may take longer to pass the sound on and to notice it, so the best of several measurements counts.
    const [first, , , fourth, fifth, sixth] = pages as [VoicePage, ...VoicePage[]];
    const waits: number[] = [];
    for (let i = 0; i < TRIES; i++) {
      const watched = fifth!.watchSpeakers(2000);
      // The page carries out one call after the other: once it answers this one, it watches.
      await fifth!.stats();
      const begun = await sixth!.sing(0);
      const change = (await watched).find(({ at }) => at > begun - 50);
      if (change !== undefined) waits.push(change.at - begun);
      if (Math.min(...waits) < LOUDER_MS) break;
      await sixth!.sing(GAINS[5]!);
      await hears(fifth!, loudestOthers(pages, fifth!));
    }
    console.log(`louder, and heard after ${waits.map(Math.round).join(', ')} ms`);
    ok(Math.min(...waits) < LOUDER_MS, `heard after ${waits} ms`);
    const order = [first, sixth!, pages[1]!, pages[2]!, fourth!, fifth!];
    for (const page of [fourth!, fifth!]) await hears(page, loudestOthers(order, page));
    await numberOf(sixth!, fifth!);

    // One page is loud and soft in turn, a second each, and competes with the third voice of these listeners.
    await fifth!.sing(0, -40);
    const listeners = [first, pages[1]!];
    const rounds: { switches: number; concealed: number }[] = [];
    const good = (): boolean => rounds.some((round) => round.switches >= SWITCHES && round.concealed < CONCEALED);
    // A busy browser conceals samples and misses switches, so the best of several rounds counts here as well.
    for (let i = 0; i < TRIES && !good(); i++) {
      const before = await Promise.all(listeners.map((page) => page.stats()));
      const switches = (await Promise.all(listeners.map((page) => page.watchSpeakers(SWITCH_SECONDS * 1000)))).flat();
      const after = await Promise.all(listeners.map((page) => page.stats()));
      const grown = (key: 'concealedSamples' | 'totalSamplesReceived'): number =>
        after.reduce((all, { inbound }, page) => all + sum(inbound, key) - sum(before[page]!.inbound, key), 0);
      const concealed = grown('concealedSamples') / grown('totalSamplesReceived');
      rounds.push({ switches: switches.length, concealed });
      console.log(`${switches.length} switches, ${(100 * concealed).toFixed(3)} % concealed`);
    }
    ok(good(), `switches and share of samples concealed, in ${SWITCH_SECONDS} s each: ${JSON.stringify(rounds)}`);
  } finally {
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

inChromium(test, NAME, compete, SECONDS);

test.run();
