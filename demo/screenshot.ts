/**
 * `npm run demo:screenshot` writes docs/demo.png: the demo's page in a conversation with people and bots. It starts and
 * stops the demo, and needs Chromium.
 */
import { fileURLToPath } from 'node:url';
import { launchBrowser } from '../test/support/browsers.ts';
import { startDemo } from '../test/support/demo.ts';
import { type DemoPage, openDemoPage } from '../test/support/demo-page.ts';
import { pause } from '../test/support/waiting.ts';

/** Relative to the compiled file in `dist/demo`. */
const PICTURE = fileURLToPath(new URL('../../docs/demo.png', import.meta.url));
const WINDOW = { width: 1000, height: 600, reducedMotion: true };
const ROOM = 'friday lunch';
/** Time in which those who speak come to the front, milliseconds. */
const SPEAK_MS = 12_000;

/** Enters the room with the test tone. */
async function enter(page: DemoPage, name: string, button: 'join-bots' | 'join-alone'): Promise<void> {
  await page.enter(name, ROOM, button);
  await page.shows('connected', ({ state }) => state === 'connected');
}

const demo = await startDemo();
const browser = await launchBrowser('chromium');
try {
  const [mia, tom] = [await openDemoPage(browser, demo.url, WINDOW), await openDemoPage(browser, demo.url, WINDOW)];
  await enter(tom, 'Tom Baker', 'join-alone');
  await tom.click('mute');
  await enter(mia, 'Mia', 'join-bots');
  await mia.shows('the first bot', ({ people }) => 'Ada (bot)' in people);
  await mia.wish('Ada (bot)', 'Pin');
  await mia.evaluate(`document.activeElement.blur()`);
  await pause(SPEAK_MS);
  // Several people speak, and Mia hears some of them.
  const speakingSlots = `document.querySelectorAll('.person.speaking[data-slot]').length >= 2`;
  await mia.until('two voices that are heard', speakingSlots);
  await mia.screenshot(PICTURE);
} finally {
  await browser.close();
  await demo.stop();
}
process.exit();
