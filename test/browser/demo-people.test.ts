/** The order of the people on the demo's page: who is heard comes first, and nobody jumps about. */
import { equal, is, ok } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startDemo } from '../support/demo.ts';
import { type DemoPage, openDemoPage } from '../support/demo-page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('demo people');

/** Places in front, after the user. */
const PLACES = 6;
/** Shortest time between two changes of the order, milliseconds. */
const REORDER_MS = 1000;
/** Changes of the order to watch. */
const CHANGES = 6;

interface Order {
  /** Milliseconds since the page was opened. */
  readonly at: number;
  readonly names: readonly string[];
  readonly heard: readonly string[];
}

/** Keeps the order of the list whenever it has changed. */
const WATCH = `{
  const list = document.getElementById('people');
  window.orders = [];
  window.orderNow = () => ({
    at: performance.now(),
    names: [...list.children].map((item) => item.dataset.who),
    heard: [...list.children].filter((item) => 'slot' in item.dataset).map((item) => item.dataset.who),
  });
  new MutationObserver(() => orders.push(orderNow())).observe(list, { childList: true });
}`;

/** Everybody who is heard is in front. */
const SORTED = `orderNow().heard.length === 3 && orderNow().heard.every((who) => {
  const place = orderNow().names.indexOf(who);
  return place >= 1 && place <= ${PLACES};
})`;

async function watchOrder(ann: DemoPage): Promise<void> {
  await ann.evaluate(WATCH);
  for (let i = 0; i < 3; i++) {
    const before = await ann.evaluate<Order>('orderNow()');
    await ann.until('who is heard is in front', SORTED);
    await ann.until('others are heard', `orderNow().heard.join() !== ${JSON.stringify(before.heard.join())}`);
  }
  await ann.until('the order has changed often', `orders.length > ${CHANGES}`);
  const orders = await ann.evaluate<Order[]>('orders');
  ok(orders.every(({ names }) => names[0] === 'Ann'));
  const front = new Set<string>();
  for (const [i, now] of orders.entries()) {
    const before = orders[i - 1];
    if (before === undefined) continue;
    // A page's clock may be rounded.
    ok(now.at - before.at >= REORDER_MS - 5, `${now.at - before.at} ms between two changes`);
    // Until as many have been heard as there are places, the first of the others stand there, too.
    for (const who of before.heard) front.add(who);
    const places = before.names.slice(1, 1 + PLACES).filter((who) => front.has(who));
    const stayed = places.filter((who) => now.names.indexOf(who) <= PLACES);
    equal(
      stayed.map((who) => now.names.indexOf(who)),
      stayed.map((who) => before.names.indexOf(who)),
      `who stays in front keeps the place\n${places}\n${now.names.slice(1, 1 + PLACES)}`,
    );
    equal(
      now.names.slice(1 + PLACES),
      now.names.slice(1 + PLACES).sort((a, b) => a.localeCompare(b)),
      'all others are in the order of their names',
    );
  }
}

/** Nothing moves away from under a menu that is open, or from a button that has the focus. */
async function stayUnderMenu(ann: DemoPage): Promise<void> {
  const [, second] = (await ann.evaluate<Order>('orderNow()')).names;
  await ann.openMenu(second!);
  await ann.evaluate('orders.splice(0)');
  for (let i = 0; i < 4; i++) {
    const { heard } = await ann.evaluate<Order>('orderNow()');
    await ann.until('others are heard', `orderNow().heard.join() !== ${JSON.stringify(heard.join())}`);
  }
  equal(await ann.evaluate('orders'), []);
  is((await ann.see()).focus, 'menu-volume');
  await ann.press('Escape');
  is((await ann.see()).focus, `Options for ${second}`);
  await ann.evaluate('document.activeElement.blur()');
  await ann.until('it goes on', SORTED);
}

inChromium(
  test,
  'who is heard comes to the front and stays there, and nothing moves under an open menu',
  async () => {
    const [demo, browser] = await Promise.all([startDemo(), launchBrowser('chromium')]);
    try {
      const ann = await openDemoPage(browser, demo.url);
      await ann.enter('Ann', 'lab', 'join-bots', 'none');
      await ann.shows('ten bots', ({ people }) => Object.keys(people).length === 11);
      await watchOrder(ann);
      await stayUnderMenu(ann);
    } finally {
      await browser.close();
      await demo.stop();
    }
  },
  120,
);

test.run();
