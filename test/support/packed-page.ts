/** A page with the browser client as `npm pack` ships it, as a module or as a plain script. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from './browsers.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { temporaryFolder } from './proxies.ts';
import { HANG_MS } from './waiting.ts';

const FOLDER = '/app/vendor/';

/** How a page gets the client: by `import`, or by a `<script>`. */
export type Loading = 'module' | 'script';

/** Serves pages and the scripts of a package. @param file of `npm pack`. @param upstream port of a server. */
export async function servePacked(file: string, upstream: number): Promise<Gateway> {
  const folder = temporaryFolder('unpacked');
  execFileSync('tar', ['-xzf', file, '-C', folder]);
  const dist = join(folder, 'package/dist');
  const scripts = readdirSync(dist).filter((name) => name.endsWith('.js'));
  const files = scripts.map((name) => [FOLDER + name, readFileSync(join(dist, name))] as const);
  return startGateway(upstream, Object.fromEntries(files));
}

export class PackedPage {
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Makes a client, connects it, and records its states as `states`. */
  connect(options: Readonly<Record<string, unknown>>): Promise<void> {
    return this.page.evaluate(`(async () => {
      window.client = new packed.VoiceClient(${JSON.stringify({ backoff: { most: 500 }, ...options })});
      window.states = [];
      client.on('state', ({ state }) => states.push(state));
      await client.connect();
    })()`);
  }

  /** Waits until an expression about `client` holds. */
  until(expression: string): Promise<void> {
    return this.page.evaluate(`new Promise((go, fail) => {
      const late = setTimeout(
        () => fail(new Error(${JSON.stringify(expression)} + ': ' + [client.state, client.conversation, client.total])),
        ${HANG_MS},
      );
      const look = () => {
        if (!(${expression})) return setTimeout(look, 20);
        clearTimeout(late);
        go();
      };
      look();
    })`);
  }

  /** Waits until the voice of a user arrives. */
  hears(userid: string): Promise<void> {
    return this.until(`client.speakers.some(({ participant }) => participant?.userid === '${userid}')`);
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }
}

/** Opens a page whose `window.packed` has what the package exports. */
export async function openPackedPage(browser: Browser, pages: Gateway, loading: Loading): Promise<PackedPage> {
  const page = await browser.newPage(`${pages.url}/examples/`);
  await page.evaluate(
    loading === 'module'
      ? `import('${FOLDER}client.js').then((all) => { window.packed = all; })`
      : `new Promise((onload, onerror) => {
          const src = '${FOLDER}client.iife.js';
          document.body.append(Object.assign(document.createElement('script'), { src, onload: () => onload(), onerror }));
        }).then(() => { window.packed = BeepVoice; })`,
  );
  return new PackedPage(page);
}
