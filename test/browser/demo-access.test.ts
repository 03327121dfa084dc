/** Nobody is left out of the demo's page: axe-core's rules in every state, in light and dark, on the narrowest phone. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { equal, is } from 'uvu/assert';
import { type Browser, inChromium, launchBrowser } from '../support/browsers.ts';
import { type RunningDemo, startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';
import { TapReader } from '../support/tap-reader.ts';

const test = scenarios('demo access');

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 320, height: 640 };
const hide = (popover: string): string => `document.getElementById('${popover}').hidePopover()`;

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** Checks axe-core's rules for WCAG 2.2 A and AA and best practices, and that nothing is wider than the window. */
async function accessible(page: DemoPage, what: string): Promise<void> {
  const violations = await page.evaluate<Violation[]>(`axe.run().then((results) => results.violations)`);
  const all = violations.map(({ id, nodes }) => `${id}: ${nodes.map((one) => `${one.html} ${one.failureSummary}`)}`);
  equal(all, [], what);
  const { scrollWidth, clientWidth } = await page.evaluate<Record<string, number>>(
    `(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)`,
  );
  is(scrollWidth, clientWidth, `${what}: nothing is wider than the window`);
}

async function open(browser: Browser, demo: RunningDemo, dark: boolean, noMicrophone = false): Promise<DemoPage> {
  const page = await openDemoPage(browser, demo.url, { ...PHONE, dark, noMicrophone });
  await page.evaluate(`${AXE}; undefined`);
  return page;
}

async function everyState(demo: RunningDemo, browser: Browser, dark: boolean): Promise<void> {
  const check = (what: string): Promise<void> => accessible(page, `${what}, dark: ${dark}`);
  const [, operators = ''] = /operators use (http:\S+)/.exec(
    demo.lines.findLast((line) => line.includes('operators'))!,
  )!;
  const command = (name: string): Promise<unknown> =>
    fetch(`${operators}/conversations/lab/users/${encodeURIComponent(user)}/${name}`, { method: 'POST' });
  const user = `Somebody with a rather long name ${dark}`;
  const page = await open(browser, demo, dark, true);
  await page.until('the microphone is blocked', `document.getElementById('check-problem').checkVisibility()`);
  await check('the form');
  await page.enter(user, 'lab', 'join-bots', 'default');
  await page.shows('bots', ({ people }) => Object.keys(people).length >= 11);
  await page.until('nobody hears the user', `document.getElementById('mic-problem').checkVisibility()`);
  await check('no microphone');
  await page.fill('source-now', 'tone');
  await page.wish('Ada (bot)', 'Pin');
  await page.wish('Ben (bot)', 'Exclude');
  await page.openMenu('Ada (bot)');
  await check('the menu');
  await page.evaluate(hide('menu'));
  await page.click('invite-open');
  await check('the invitation');
  await page.evaluate(hide('invite'));
  await page.click('settings-open');
  await check('the settings');
  await page.click('drawer-open');
  await check('the drawer');
  await page.click('drawer-close');
  await page.click('mute');
  await page.click('deafen');
  const tap = await new TapReader(operators, 'lab').opened();
  await page.until('recorded', `document.getElementById('recording').textContent !== ''`);
  await check('muted, deafened and recorded');
  tap.socket.close();
  await command('mute');
  await command('listen');
  await page.until('the audience', `document.querySelector('[data-banner=audience]') !== null`);
  await page.click('hand');
  await check('silenced, with a raised hand');
  await page.evaluate(`fetch = () => Promise.reject(new TypeError('no network'))`);
  await page.click('no-bots');
  await page.shows('a problem', ({ problem }) => problem.includes('npm run demo'));
  await page.evaluate(`void (window.WebSocket = class extends WebSocket {
    constructor() { super(location.origin.replace('http', 'ws') + '/nowhere'); }
  })`);
  await demo.killServer();
  await page.until('a countdown', `/again in \\d+ s/.test(document.getElementById('lost-wait').textContent)`);
  await check('lost');
  await page.close();
}

inChromium(
  test,
  'every state is labelled, legible in light and dark, and no wider than a phone',
  async () => {
    for (const dark of [false, true]) {
      const [demo, browser] = await Promise.all([startDemo(), launchBrowser('chromium')]);
      try {
        await everyState(demo, browser, dark);
      } finally {
        await browser.close();
        await demo.stop();
      }
    }
  },
  150,
);

test.run();
