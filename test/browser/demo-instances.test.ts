/** `npm run demo -- --instances 2`: a cluster on one machine, whose page shows who is on which instance. */
import { equal, is } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { openDemoPage, type Seen } from '../support/demo-page.ts';
import { natsPrograms } from '../support/nats.ts';
import { scenarios } from '../support/scenario.ts';
import { pause } from '../support/waiting.ts';

const test = scenarios('demo with instances');

const INSTANCE = /instance-[12]/;
/** Longer than the page gathers arrivals and departures, milliseconds. */
const TOLD_MS = 1500;
const TOAST = `document.getElementById('toast').textContent`;

/** Returns the instances that the page names. */
function instances({ people }: Seen): Set<string | undefined> {
  return new Set(Object.values(people).map((words) => INSTANCE.exec(words)?.[0]));
}

const talk = async (): Promise<void> => {
  const [demo, browser] = await Promise.all([startDemo({}, ['--instances', '2']), launchBrowser('chromium')]);
  try {
    const [ann, bob] = [await openDemoPage(browser, demo.url), await openDemoPage(browser, demo.url)];
    await ann.enter('Ann', 'lab', 'join-bots');
    await bob.enter('Bob', 'lab', 'join-alone');
    const together = (seen: Seen): boolean => Object.keys(seen.people).length === 12 && instances(seen).size === 2;
    for (const page of [ann, bob]) await page.shows('two people and ten bots on two instances', together);
    await ann.shows('both servers', ({ server }) => server.startsWith('2 servers: 12 connections in 1 room'));
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

/** The bus between the servers stands still, and then one of them shuts down. */
const lose = async (): Promise<void> => {
  const [demo, browser] = await Promise.all([startDemo({}, ['--instances', '2']), launchBrowser('chromium')]);
  const pidOf = (what: string): number => Number(new RegExp(`${what} is running: process (\\d+)`).exec(printed())![1]);
  const printed = (): string => demo.lines.join('\n');
  try {
    const [ann, bob] = [await openDemoPage(browser, demo.url), await openDemoPage(browser, demo.url)];
    await ann.enter('Ann', 'lab', 'join-alone');
    await bob.enter('Bob', 'lab', 'join-bots');
    const all = ({ people }: Seen): boolean => Object.keys(people).length === 12;
    for (const page of [ann, bob]) await page.shows('everybody is there', all);

    process.kill(pidOf('NATS'), 'SIGSTOP');
    const line = `document.querySelector('[data-banner=cluster]')?.textContent ?? ''`;
    for (const page of [ann, bob]) {
      await page.until('it is told that some are missing', `(${line}).startsWith('Other servers cannot be reached.')`);
      const alone = await page.shows('some are missing', (seen) => !all(seen));
      is(alone.state, 'connected');
    }
    await pause(TOLD_MS);
    process.kill(pidOf('NATS'), 'SIGCONT');
    for (const page of [ann, bob]) {
      await page.until('it is told that all is well', `(${TOAST}).startsWith('All servers can be reached again.')`);
      is(await page.evaluate(line), '');
    }
    for (const page of [ann, bob]) await page.shows('everybody is back', all);
    await pause(TOLD_MS);
    const { log } = await ann.see();
    const since = log.slice(log.findIndex((entry) => entry.includes('Other servers cannot be reached.')));
    equal(
      since.filter((entry) => / (left|joined)\.$/.test(entry)),
      [],
      'nobody is said to have come or gone',
    );

    const placed = await ann.shows('where Ann is', ({ people }) => INSTANCE.test(people['Ann'] ?? ''));
    const [home] = INSTANCE.exec(placed.people['Ann']!)!;
    process.kill(pidOf(home), 'SIGTERM');
    await ann.until('it is told', `(${TOAST}).startsWith('The server is shutting down.')`);
    const moved = await ann.shows('Ann is on the other one', ({ people }) => {
      const words = people['Ann'] ?? '';
      return INSTANCE.test(words) && !words.includes(home);
    });
    is(moved.title, 'lab');
    is(moved.state, 'connected');
  } finally {
    await browser.close();
    is(await demo.stop(), 0);
  }
};

const available = natsPrograms().length > 0 || process.env['REQUIRE_TOOLS'] === '1';
const scenario = (name: string, body: () => Promise<void>): void => {
  if (available) inChromium(test, name, body, 120);
  else test.skip(name, 'nats-server is not installed');
};
scenario('people and bots of one room are on both instances, and stay together when one is killed', talk);
scenario('people are told when servers cannot reach each other, and when theirs shuts down', lose);

test.run();
