/** `npm run demo -- --instances 2`: a cluster on one machine, whose page shows who is on which instance. */
import { is, match } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { openDemoPage, type Seen } from '../support/demo-page.ts';
import { natsPrograms } from '../support/nats.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo with instances');

const INSTANCE = /instance-[12]/;

/** Returns the instances that the page names. */
function instances({ people }: Seen): Set<string | undefined> {
  return new Set(Object.values(people).map((words) => INSTANCE.exec(words)?.[0]));
}

const NAME = 'people and bots of one room are on both instances, and stay together when one is killed';

const talk = async (): Promise<void> => {
  const [demo, browser] = await Promise.all([startDemo({}, ['--instances', '2']), launchBrowser('chromium')]);
  try {
    const [ann, bob] = [await openDemoPage(browser, demo.url), await openDemoPage(browser, demo.url)];
    await ann.enter('Ann', 'lab', 'join-bots');
    await bob.enter('Bob', 'lab', 'join-alone');
    const together = (seen: Seen): boolean => Object.keys(seen.people).length === 12 && instances(seen).size === 2;
    for (const page of [ann, bob]) await page.shows('two people and ten bots on two instances', together);
    match((await ann.see()).server, /^2 servers: 12 connections in 1 room/);
    const heard = new Set<string>();
    await ann.shows('people of both instances speak', (seen) => {
      const speakers = seen.speaking.map((name) => INSTANCE.exec(seen.people[name] ?? '')?.[0]);
      for (const instance of speakers) if (instance !== undefined) heard.add(instance);
      return heard.size === 2;
    });

    const [, pid] = /instance-1 is running: process (\d+)/.exec(demo.lines.join('\n'))!;
    process.kill(Number(pid), 'SIGKILL');
    await demo.printed(/INSTANCE-1 HAS ENDED/);
    for (const page of [ann, bob]) {
      await page.shows('everybody is back, on both instances', (seen) => together(seen) && seen.state === 'connected');
    }
  } finally {
    await browser.close();
    is(await demo.stop(), 0);
  }
};

if (natsPrograms().length > 0 || process.env['REQUIRE_TOOLS'] === '1') inChromium(test, NAME, talk, 120);
else test.skip(NAME, 'nats-server is not installed');

test.run();
