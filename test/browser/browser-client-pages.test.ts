/** Pages that use the client in their own way: as a plain script, or several clients at a time. */
import { equal, is } from 'uvu/assert';
import { packageFiles } from '../../client/build.ts';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { Page } from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { tokenOf } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client pages');
const EACH = ['chromium', 'firefox'] as const;

/** Waits in the page until a condition holds. */
const until = (page: Page, condition: string): Promise<void> =>
  page.evaluate(`(async () => {
    for (let tries = 0; !(${condition}); tries++) {
      if (tries > 400) throw new Error(${JSON.stringify(condition)});
      await new Promise((go) => setTimeout(go, 50));
    }
  })()`);

inBrowsers(
  test,
  EACH,
  'the script for pages without modules defines a global, and loads encryption when it is wanted',
  async ({ browser, server }) => {
    const scripts = Object.entries(await packageFiles()).map(([name, body]) => [`/some/folder/${name}`, body]);
    const gateway = await startGateway(server.port, Object.fromEntries(scripts));
    const open = async (user: string): Promise<Page> => {
      const page = await browser.newPage(`${gateway.url}/examples/`);
      await page.evaluate(`new Promise((onload, onerror) => {
        const src = '/some/folder/client.iife.js';
        document.body.append(Object.assign(document.createElement('script'), { src, onload: () => onload(), onerror }));
      })`);
      const loaded =
        "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/some/folder/encryption.js'))";
      is(await page.evaluate(loaded), false);
      is(await page.evaluate('typeof BeepVoice.pushToTalk'), 'function');
      const options = { url: gateway.url, token: tokenOf({ user }), conversation: 'attic' };
      await page.evaluate(`(async () => {
        const encryption = { key: new Uint8Array(16).fill(7) };
        window.client = await BeepVoice.connect({ ...${JSON.stringify(options)}, encryption });
      })()`);
      is(await page.evaluate(loaded), true);
      return page;
    };
    try {
      for (const page of [await open('ann'), await open('bob')]) {
        await until(page, 'client.encryption.frames?.decrypted > 50');
      }
    } finally {
      await gateway.close();
    }
  },
  { fakeDevices: true },
);

inBrowsers(
  test,
  EACH,
  'two clients in one page hear each other, and what one does changes nothing for the other',
  async ({ browser, gateway }) => {
    const page = await browser.newPage(`${gateway.url}/examples/`);
    const clients = ['ann', 'bob'].map((user) => ({
      token: tokenOf({ user }),
      url: gateway.url,
      conversation: 'attic',
    }));
    await page.evaluate(`(async () => {
      const { VoiceClient } = await import('/examples/client.js');
      [window.ann, window.bob] = ${JSON.stringify(clients)}.map((options) => new VoiceClient(options));
      window.heard = { ann: new Set(), bob: new Set() };
      for (const name of ['ann', 'bob'])
        window[name].on('speakers', (all) => all.forEach(({ participant }) => heard[name].add(participant?.userid)));
      await Promise.all([ann.connect(), bob.connect()]);
    })()`);
    await until(page, "heard.ann.has('bob') && heard.bob.has('ann')");
    await page.evaluate('{ ann.mute(true); 0; }');
    await until(page, "[...bob.participants.values()].some(({ userid, muted }) => userid === 'ann' && muted)");
    equal(await page.evaluate('[ann.muted, bob.muted, ann.microphone.track !== bob.microphone.track]'), [
      true,
      false,
      true,
    ]);
    await page.evaluate('ann.leave().then(() => ann.close())');
    await until(page, 'bob.participants.size === 1');
    equal(await page.evaluate('[ann.state, bob.state, bob.microphone.track.readyState]'), [
      'closed',
      'connected',
      'live',
    ]);
  },
  { fakeDevices: true },
);

test.run();
