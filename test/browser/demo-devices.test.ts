/** The demo's page with devices: where voices are played, and a microphone that the browser blocks. */
import { equal, is, match } from 'uvu/assert';
import { inChromium, type LaunchOptions, launchBrowser, type PageOptions } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo devices');

const visible = (id: string): string => `document.getElementById('${id}').checkVisibility()`;

async function withPage(launch: LaunchOptions, options: PageOptions, body: (page: DemoPage) => Promise<void>) {
  const [demo, browser] = await Promise.all([startDemo(), launchBrowser('chromium', launch)]);
  try {
    await body(await openDemoPage(browser, demo.url, options));
  } finally {
    await browser.close();
    await demo.stop();
  }
}

/** Remembers what the browser plays each voice on. */
const WATCH_SINKS = `{
  const { setSinkId } = HTMLMediaElement.prototype;
  window.sinks = new Map();
  HTMLMediaElement.prototype.setSinkId = async function (id) {
    await setSinkId.call(this, id);
    sinks.set(this, this.sinkId);
  };
}`;
const SINKS = '[...sinks.values()]';

async function chooseOutput(page: DemoPage): Promise<void> {
  await page.evaluate(WATCH_SINKS);
  await page.fill('slots', '2');
  await page.enter('Ann', 'lab', 'join-alone', 'default');
  await page.click('settings-open');
  await page.until('there are outputs to choose from', visible('output'));
  const chosen = await page.evaluate<string>(`document.querySelector('#output option:last-child').value`);
  await page.fill('output', chosen);
  await page.until('both places play there', `${SINKS}.length === 2`);
  equal(await page.evaluate(SINKS), [chosen, chosen]);
  await page.click('leave');
  await page.enter('Ann', 'lab', 'join-alone', 'default');
  await page.until('so does the next call', `${SINKS}.length === 4`);
  equal(await page.evaluate(SINKS), Array(4).fill(chosen));
  // A test cannot unplug a device, so it removes one from the list and reports a change.
  await page.evaluate(`{
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ deviceId }) => deviceId !== '${chosen}');
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  }`);
  // The first client may still be leaving, and then follows, too.
  await page.until('the default plays', `${SINKS}.filter((id) => id === '').length >= 2`);
  match(await page.evaluate(`document.getElementById('toast').textContent`), /^The loudspeaker .* is gone/);
  is(await page.evaluate(`document.getElementById('output').value`), '');
  await page.click('leave');
  await page.evaluate(`delete HTMLMediaElement.prototype.setSinkId`);
  await page.enter('Ann', 'lab', 'join-alone', 'default');
  await page.until('a browser without the choice does not offer it', `!${visible('output')}`);
}

async function listenWithoutMicrophone(page: DemoPage): Promise<void> {
  await page.until('it is told at once', visible('check-problem'));
  match(await page.evaluate(`document.getElementById('check-problem-text').textContent`), /blocks your microphone/);
  await page.fill('source', 'tone');
  is(await page.evaluate(visible('check-problem')), false, 'the tone needs no microphone');
  await page.fill('source', 'default');
  await page.click('check');
  await page.until('the check says so, too', `${visible('check-problem')}`);
  await page.fill('name', 'Ann');
  await page.evaluate(`document.getElementById('join-listen').focus()`);
  await page.press('Enter');
  const { focus, problem } = await page.shows('she listens', ({ state }) => state === 'connected');
  equal([focus, problem], ['call-title', '']);
  is(await page.evaluate(visible('mic-problem')), false, 'she knows it already');
  is(await page.evaluate(`document.getElementById('source-now').value`), 'none');
  await page.reload();
  await page.shows('a listener stays a listener', ({ state }) => state === 'connected');
  is(await page.evaluate(visible('mic-problem')), false);
  await page.click('leave');
  await page.reload();
  is(await page.evaluate(`document.getElementById('source').value`), 'default', 'the next visit asks again');
}

inChromium(
  test,
  'the output is chosen, kept for the next call, and given up when it vanishes',
  () => withPage({ fakeDevices: true }, {}, chooseOutput),
  60,
);
async function allowLater(page: DemoPage): Promise<void> {
  await page.until('it is told', visible('check-problem'));
  await page.enter('Ann', 'lab', 'join-alone', 'default');
  await page.until('it is told loudly', visible('mic-problem'));
  match(await page.evaluate(`document.getElementById('mic-problem-text').textContent`), /^Nobody hears you.*blocks/);
  await page.click('mic-again');
  await page.evaluate(`document.getElementById('mic-again').focus()`);
  is(await page.evaluate(visible('mic-problem')), true, 'it is still blocked');
  await page.allowMicrophone();
  await page.until(
    'the microphone is on',
    `!${visible('mic-problem')} && document.querySelector('#mute .word').textContent === 'Mute'`,
  );
  is((await page.see()).focus, 'call-title', 'the focus is not lost');
}

inChromium(
  test,
  'a microphone that is allowed during the call is on without another click',
  () => withPage({ fakeDevices: true, refusable: true }, { noMicrophone: true }, allowLater),
  60,
);
inChromium(
  test,
  'a blocked microphone is told loudly before joining, with a button to listen only',
  () => withPage({}, { noMicrophone: true }, listenWithoutMicrophone),
  60,
);

test.run();
