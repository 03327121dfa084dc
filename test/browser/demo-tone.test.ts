/** The demo's page while the test tone starts, where the browser makes it wait for a click, and where a room is refused. */
import { is, not } from 'uvu/assert';
import { type Browser, inChromium, launchBrowser } from '../support/browsers.ts';
import { type RunningDemo, startDemo } from '../support/demo.ts';
import { openDemoPage, type Seen } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo tone');
const SECONDS = 60;

const inLab = ({ state, title }: Seen): boolean => state === 'connected' && title === 'lab';

function withDemo(
  name: string,
  clickToPlay: boolean,
  body: (demo: RunningDemo, browser: Browser) => Promise<void>,
): void {
  const run = async (): Promise<void> => {
    const [demo, browser] = await Promise.all([startDemo(), launchBrowser('chromium', { clickToPlay })]);
    try {
      await body(demo, browser);
    } finally {
      await browser.close();
      await demo.stop();
    }
  };
  inChromium(test, name, run, SECONDS);
}

withDemo('a tone that has to wait for a click keeps nobody out of the room', true, async (demo, browser) => {
  const bob = await openDemoPage(browser, demo.url);
  await bob.enter('Bob', 'lab', 'join-alone', 'none');
  const ann = await openDemoPage(browser, demo.url);
  await ann.fill('name', 'Ann');
  await ann.fill('room', 'lab');
  await ann.fill('source', 'tone');
  await ann.point('#join-alone');
  await bob.shows('Ann speaks', ({ speaking }) => speaking.includes('Ann'));
  await ann.reload();
  const { problem } = await ann.shows('Ann is back', inLab);
  is(problem, '');
  await ann.point('#call-title');
  await bob.shows('Ann speaks again', ({ speaking }) => speaking.includes('Ann'));
});

withDemo('who leaves while the tone starts is not in the call a moment later', false, async (demo, browser) => {
  const ann = await openDemoPage(browser, demo.url);
  // The tone's context starts when the test says so.
  await ann.evaluate(`(() => {
    const { resume } = AudioContext.prototype;
    window.contexts = [];
    AudioContext.prototype.resume = function () {
      return new Promise((go) => contexts.push(() => go(resume.call(this))));
    };
    Object.defineProperty(AudioContext.prototype, 'state', { get: () => 'running' });
  })()`);
  await ann.enter('Ann', 'lab', 'join-alone');
  await ann.shows('on the way', ({ state }) => state === 'connecting');
  await ann.click('leave');
  is((await ann.see()).state, 'idle');
  is(await ann.evaluate(`document.getElementById('join').checkVisibility()`), true);
  await ann.enter('Ann', 'den', 'join-alone');
  await ann.evaluate(`(() => { for (const start of contexts) start(); })()`);
  const { log } = await ann.shows('in the other room', ({ state, title }) => state === 'connected' && title === 'den');
  not.ok(log.some((line) => line.includes('lab')));
});

withDemo('who is refused after a reload is not told that they are back', false, async (demo, browser) => {
  const ann = await openDemoPage(browser, demo.url);
  await ann.enter('Ann', 'lab', 'join-alone', 'none');
  await ann.shows('in the room', inLab);
  // The page's own listener has kept the call by then.
  await ann.evaluate(`addEventListener('pagehide', () => {
    const [key] = Object.keys(sessionStorage).filter((name) => name.endsWith('-call'));
    sessionStorage.setItem(key, sessionStorage.getItem(key).replace('lab', '..'));
  })`);
  await ann.reload();
  const { log } = await ann.shows('Ann is told', ({ problem }) => problem.includes('dot segment'));
  await ann.shows('she is at the form', ({ state, focus }) => state === 'idle' && focus === 'name');
  not.ok(log.some((line) => line.includes('You are back')));
});

test.run();
