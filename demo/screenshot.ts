/**
 * `npm run demo:screenshot`: writes docs/demo.png, a picture of the page in a room with people and bots. It needs
 * Chromium, and starts and stops the demo itself.
 */
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import { startDemo } from '../test/support/demo.ts';

/** The picture, relative to the compiled file in `dist/demo`. */
const PICTURE = fileURLToPath(new URL('../../docs/demo.png', import.meta.url));
const EXECUTABLE = '/usr/bin/chromium';
const WIDTH = 1000;
const HEIGHT = 760;
const ROOM = 'friday lunch';
/** How long the charts collect values before the picture, milliseconds. */
const CHART_MS = 50_000;
const READY_MS = 30_000;

/** Joins the room with the test tone, by a button of the form. */
async function enter(page: Page, name: string, button: string): Promise<void> {
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('Room', { exact: true }).fill(ROOM);
  await page.locator('#source').selectOption('tone');
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.locator('#state[data-state=connected]').waitFor();
}

const demo = await startDemo();
const browser = await chromium.launch({
  executablePath: EXECUTABLE,
  args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required'],
});
try {
  const context = await browser.newContext({ viewport: { width: WIDTH, height: HEIGHT }, reducedMotion: 'reduce' });
  const open = async (): Promise<Page> => {
    const page = await context.newPage();
    page.setDefaultTimeout(READY_MS);
    await page.goto(demo.url);
    return page;
  };
  const [mia, tom] = [await open(), await open()];
  await enter(tom, 'Tom Baker', 'Join');
  await tom.getByRole('button', { name: 'Mute', exact: true }).click();
  await enter(mia, 'Mia', 'Join with 10 bots');
  await mia.getByRole('button', { name: 'Pin Ada (bot)' }).click();
  await mia.bringToFront();
  await mia.waitForTimeout(CHART_MS);
  // Wait until several of the voices that Mia hears are speaking.
  await mia.locator('.voice.speaking:nth-child(2)').waitFor();
  await mia.locator('.voice.speaking:nth-child(3)').waitFor();
  await mia.screenshot({ path: PICTURE, fullPage: true });
} finally {
  await browser.close();
  await demo.stop();
}
process.exit();
