import type { Browser, Page, PageOptions } from './browsers.ts';
import { pause, until } from './waiting.ts';

/** How often a page is looked at, milliseconds. */
const LOOK_MS = 50;

/** The visible state of the demo's page. */
export interface Seen {
  /** `connected`, `reconnecting` and so on. */
  readonly state: string;
  readonly title: string;
  /** The line about the server, or servers. */
  readonly server: string;
  /** Everybody in the list, with the text beside the name. */
  readonly people: Readonly<Record<string, string>>;
  /** People whose list entries are marked as speaking. */
  readonly speaking: readonly string[];
  /** The person in each slot; empty for an empty slot. */
  readonly slots: readonly string[];
  /** Current values of the charts, by title. */
  readonly charts: Readonly<Record<string, string>>;
  readonly log: readonly string[];
  /** The problem shown; empty if there is none. */
  readonly problem: string;
  /** Id of the element with the focus, or its text. */
  readonly focus: string;
}

const SEE = `(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const text = (element) => element?.textContent.trim() ?? '';
  const { activeElement } = document;
  return {
    state: document.getElementById('state').dataset.state,
    title: text(document.getElementById('call-title')),
    server: text(document.getElementById('server')),
    people: Object.fromEntries(all('.person').map((item) => [item.dataset.who, text(item.querySelector('.what'))])),
    speaking: all('.person.speaking').map((item) => item.dataset.who),
    slots: Array.from({ length: Number(document.getElementById('people').dataset.slots ?? 0) }, (_, slot) =>
      document.querySelector('.person[data-slot="' + slot + '"]')?.dataset.who ?? ''),
    charts: Object.fromEntries(all('.chart').map((item) => [text(item.querySelector('.title')), text(item.querySelector('.now'))])),
    log: all('#log p').map((item) => text(item)),
    problem: document.getElementById('problem').hidden ? '' : text(document.getElementById('problem-text')),
    focus: activeElement.id || text(activeElement),
  };
})()`;

/** The demo's page, with the actions of its user. */
export class DemoPage {
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Fills the form with a name, a room and the test tone, and presses a button of it. */
  async enter(name: string, room: string, button: 'join-bots' | 'join-alone', source = 'tone'): Promise<void> {
    await this.fill('name', name);
    await this.fill('room', room);
    await this.fill('source', source);
    await this.click(button);
  }

  /** Writes or chooses a value. */
  async fill(id: string, value: string): Promise<void> {
    await this.evaluate(`(() => {
      const field = document.getElementById(${JSON.stringify(id)});
      field.value = ${JSON.stringify(value)};
      field.dispatchEvent(new Event('input', { bubbles: true }));
      field.dispatchEvent(new Event('change', { bubbles: true }));
    })()`);
  }

  click(id: string): Promise<void> {
    return this.evaluate(`document.getElementById(${JSON.stringify(id)}).click()`);
  }

  /** Clicks with the mouse, which counts as a gesture of the user. */
  point(selector: string): Promise<void> {
    return this.page.click(selector);
  }

  /** Pins a person or mutes them for this user, in the person's menu, or undoes it. */
  async wish(userid: string, wish: 'Pin' | 'Exclude'): Promise<void> {
    await this.openMenu(userid);
    await this.click(wish === 'Pin' ? 'menu-pin' : 'menu-exclude');
    await this.evaluate(`document.getElementById('menu').hidePopover()`);
  }

  openMenu(userid: string): Promise<void> {
    return this.evaluate(`[...document.querySelectorAll('.person')]
      .find((item) => item.dataset.who === ${JSON.stringify(userid)}).querySelector('button').click()`);
  }

  /** Switches to another room. */
  async move(room: string): Promise<void> {
    await this.fill('next-room', room);
    await this.evaluate(`document.getElementById('switch').requestSubmit()`);
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.press(key);
  }

  down(key: string): Promise<void> {
    return this.page.down(key);
  }

  up(key: string): Promise<void> {
    return this.page.up(key);
  }

  reload(): Promise<void> {
    return this.page.reload();
  }

  allowMicrophone(): Promise<void> {
    return this.page.allowMicrophone();
  }

  see(): Promise<Seen> {
    return this.evaluate(SEE);
  }

  /** Waits until the page looks as wanted. @throws Error with its actual state. */
  async shows(what: string, wanted: (seen: Seen) => boolean, seconds = 30): Promise<Seen> {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const seen = await this.see();
      if (wanted(seen)) return seen;
      if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}\n${JSON.stringify(seen, null, 1)}`);
      await pause(LOOK_MS);
    }
  }

  /** Waits until an expression holds in the page. */
  async until(what: string, expression: string): Promise<void> {
    await until(what, () => this.evaluate<boolean>(expression), { interval: LOOK_MS });
  }

  /** Writes a picture of the page. */
  screenshot(path: string): Promise<void> {
    return this.page.screenshot(path);
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

/** Opens the demo's page. */
export async function openDemoPage(browser: Browser, url: string, options: PageOptions = {}): Promise<DemoPage> {
  return new DemoPage(await browser.newPage(url, options));
}
