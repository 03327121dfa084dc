/** A page whose only component uses the browser client's React hook. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from './browsers.ts';
import type { Gateway } from './gateway.ts';
import { HANG_MS } from './waiting.ts';

const REPOSITORY = new URL('../../../', import.meta.url);
/** Where the gateway has to serve {@link bundleHookPage}. */
export const HOOK_SCRIPT = '/hook-page.js';

/** What the hook shows, as JSON. */
export interface Shown {
  readonly state: string;
  readonly conversation: string | null;
  readonly kicked: boolean;
  readonly muted: boolean;
  readonly pausing: boolean;
  readonly error: { readonly code: string; readonly status: number | null; readonly message: string } | null;
  readonly people: readonly string[];
  readonly volumes: readonly (readonly [string, number])[] | null;
  /** The state of the track, or the code of the error; null for none. */
  readonly microphone: string | null;
}

/** Bundles the page's script with React as it is in development, where StrictMode mounts everything twice. */
export async function bundleHookPage(): Promise<Uint8Array> {
  const path = (name: string): string => fileURLToPath(new URL(name, REPOSITORY));
  const { outputFiles } = await build({
    entryPoints: [path('test/data/page/hook-page.js')],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    alias: { '@beep/webrtc-client/react': path('client/src/react.ts') },
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
  });
  return outputFiles[0]!.contents;
}

export class HookPage {
  private readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Mounts the component, or renders it with other options. */
  show(options: Readonly<Record<string, unknown>>): Promise<void> {
    return this.page.evaluate(`page.show(${JSON.stringify(options)})`);
  }

  hide(): Promise<void> {
    return this.page.evaluate('page.hide()');
  }

  voice(): Promise<Shown> {
    return this.page.evaluate('page.voice()');
  }

  /** State, code of the error, conversation and `kicked`, one entry for each change since the last call. */
  shown(): Promise<[state: string, code: string | null, conversation: string | null, kicked: boolean][]> {
    return this.page.evaluate('page.shown()');
  }

  /** Microphones and connections that are open now. */
  open(): Promise<{ microphones: number; connections: number }> {
    return this.page.evaluate('page.open()');
  }

  asked(): Promise<number> {
    return this.page.evaluate('page.asked()');
  }

  /** Clicks on the component's button, whose only handler is `retry`. */
  retry(): Promise<void> {
    return this.page.evaluate("document.querySelector('button').click()");
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }

  /** Waits until an expression about `voice` and `page` holds. */
  until(expression: string): Promise<void> {
    return this.page.evaluate(`new Promise((go, fail) => {
      const late = setTimeout(() => fail(new Error(${JSON.stringify(expression)} + ': ' + JSON.stringify(page.voice()))), ${HANG_MS});
      const look = () => {
        if (!(${expression})) return setTimeout(look, 20);
        clearTimeout(late);
        go();
      };
      look();
    })`);
  }
}

/** Opens a page with the script, and mounts nothing yet. */
export async function openHookPage(browser: Browser, gateway: Gateway): Promise<HookPage> {
  const page = await browser.newPage(`${gateway.url}/examples/`);
  await page.evaluate(`import(${JSON.stringify(HOOK_SCRIPT)}).then(() => 0)`);
  return new HookPage(page);
}
