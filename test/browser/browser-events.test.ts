import { equal, is } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { hearsExactly, openVoicePage, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';

const test = scenarios('browser events');
const SECONDS = 100;
const NAME = 'chromium: who events say is in a slot is who its packets name and who is heard in it';

/** Returns the userid of the user with this tone. */
const singer = (tone: number): string => `singer-${tone}`;

/** Returns the tone that is heard in each slot. */
async function tones(page: VoicePage): Promise<Map<string, number>> {
  const heard = new Map<string, number>();
  for (const [mid, levels] of Object.entries((await page.hear()).levels)) {
    const loudest = TONES[levels!.indexOf(Math.max(...levels!))]!;
    heard.set(mid, loudest);
  }
  return heard;
}

async function agree(page: VoicePage): Promise<void> {
  await page.knows(({ slots }) => slots.size === 2);
  const csrcs = await page.csrcs();
  const heard = await tones(page);
  await page.knows(() => true);
  const { slots, participants } = page.view;
  for (const [mid, number] of slots) {
    equal(csrcs[mid], [number], `packets of slot ${mid}`);
    is(participants.get(number)?.userid, singer(heard.get(mid)!), `sound of slot ${mid}`);
  }
}

async function meet(gateway: Gateway): Promise<void> {
  const browser = await launchBrowser('chromium');
  try {
    const people = await Promise.all(
      TONES.slice(0, 3).map((tone) => openVoicePage(browser, gateway, { user: singer(tone), tone })),
    );
    for (const page of people) {
      is((await page.connect({ slots: 2, events: true })).code, 1000);
      is((await page.join('kitchen')).status, 200);
    }
    const [ann, bob, cat] = people as [VoicePage, VoicePage, VoicePage];
    const others = (page: VoicePage): number[] => people.filter((one) => one !== page).map(({ tone }) => tone);
    await Promise.all(people.map((page) => hearsExactly(page, others(page))));
    for (const page of people) {
      await page.knows(({ speaking, dominant }) => speaking.length === 3 && dominant > 0);
      await agree(page);
    }
    await ann.ask({ v: 1, type: 'mute', muted: true });
    await Promise.all([
      hearsExactly(bob, [cat.tone]),
      hearsExactly(cat, [bob.tone]),
      bob.knows((view) => view.named(singer(ann.tone))?.muted === true),
    ]);
    await cat.ask({ v: 1, type: 'exclude', numbers: [cat.view.named(singer(bob.tone))!.number] });
    await hearsExactly(cat, []);
  } finally {
    await browser.close();
  }
}

async function run(): Promise<void> {
  const server = await startServer();
  const gateway = await startGateway(server.port);
  try {
    await meet(gateway);
  } finally {
    await gateway.close();
    await server.stop();
  }
}

inChromium(test, NAME, run, SECONDS);

test.run();
