/** A page with the browser client: one user, mostly with one tone. */
import { bundleClient, bundleEncryption } from '../../client/build.ts';
import type { Participant } from '../../client/src/protocol.ts';
import type { Browser, Page } from './browsers.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { type Hearing, judge, type Levels, type Person, TONES, tokenOf } from './page.ts';

/** A client's error, as JSON. */
export interface PlainError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly closeCode: number | null;
  readonly status: number | null;
}

export interface TimedEvent {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  // biome-ignore lint/suspicious/noExplicitAny: each event has a value of its own type
  readonly value: any;
}

/** A client's state, as JSON. */
export interface PlainState {
  readonly state: string;
  readonly conversation: string | null;
  readonly number: number;
  readonly total: number;
  readonly complete: boolean;
  readonly muted: boolean;
  readonly silenced: boolean;
  readonly deafened: boolean;
  readonly audioBlocked: boolean;
  readonly statistics: Readonly<Record<string, number | string | null>>;
  readonly participants: readonly Participant[];
  readonly dominant: string | null;
  readonly slots: readonly { number: number; userid?: string; available: boolean }[];
  readonly speakers: readonly { number: number; userid?: string; level: number | null }[];
  readonly microphone: { deviceId: string | null; label: string; error: PlainError | null };
  readonly volumes: readonly (number | null)[];
}

/** The client's options that are JSON; `tokenFunction` passes the token as a function. */
export type StartOptions = Readonly<Record<string, unknown>> & { tone?: number | undefined; tokenFunction?: boolean };

export class ClientPage {
  readonly tone: number;
  readonly token: string;
  private readonly page: Page;

  constructor(page: Page, person: Person) {
    this.page = page;
    this.tone = person.tone;
    this.token = tokenOf(person);
  }

  /** Creates a client and connects it; it sends the user's tone unless `tone` is undefined. @returns its error. */
  start(options: StartOptions = {}): Promise<PlainError | null> {
    const all = { token: this.token, tone: this.tone, slots: 2, ...options };
    return this.page.evaluate(`harness.start(${JSON.stringify(all)})`);
  }

  /** Calls a method of the client. @returns its error. */
  call(name: string, ...args: readonly unknown[]): Promise<PlainError | null> {
    return this.page.evaluate(`harness.call(...${JSON.stringify([name, ...args])})`);
  }

  state(): Promise<PlainState> {
    return this.page.evaluate('harness.state()');
  }

  events(): Promise<TimedEvent[]> {
    return this.page.evaluate('harness.events()');
  }

  /** Waits until an expression about `client` and `events` holds in the page. */
  until(expression: string, seconds = 20): Promise<void> {
    return this.page.evaluate(`harness.until(${JSON.stringify(expression)}, ${seconds})`);
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression);
  }

  /** Presses a key; see {@link Page}. */
  press(key: string): Promise<void> {
    return this.page.press(key);
  }

  down(key: string): Promise<void> {
    return this.page.down(key);
  }

  up(key: string): Promise<void> {
    return this.page.up(key);
  }

  click(selector: string): Promise<void> {
    return this.page.click(selector);
  }

  /** Listens to all slots for a moment. */
  async hear(): Promise<Hearing> {
    return judge(await this.page.evaluate<Levels>(`harness.levels(${JSON.stringify(TONES)})`));
  }

  /** Records from now on when packets of each speaker are played. */
  watchVoices(): Promise<void> {
    return this.page.evaluate('harness.watchVoices()');
  }

  /**
   * Returns the longest pause of each speaker since it was first played after {@link watchVoices}, milliseconds by
   * userid.
   */
  pauses(): Promise<Record<string, number>> {
    return this.page.evaluate('harness.pauses()');
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

let bundles: Promise<Record<string, Uint8Array>> | undefined;

async function buildBundles(): Promise<Record<string, Uint8Array>> {
  const [client, talk, { module, worker }] = await Promise.all([
    bundleClient(),
    bundleClient({ entry: 'push-to-talk.ts' }),
    bundleEncryption(),
  ]);
  return {
    ...{ '/voice-client.js': client, '/examples/client.js': client },
    ...{ '/push-to-talk.js': talk, '/examples/push-to-talk.js': talk },
    ...{ '/encryption.js': module, '/encryption-worker.js': worker },
    ...{ '/examples/encryption.js': module, '/examples/encryption-worker.js': worker },
  };
}

/** Starts a gateway that serves the client, freshly built from its sources. */
export async function startClientGateway(upstreamPort: number): Promise<Gateway> {
  bundles ??= buildBundles();
  return startGateway(upstreamPort, await bundles);
}

/** Opens a page with the client, and does not start the client yet. */
export async function openClientPage(
  browser: Browser,
  gateway: Pick<Gateway, 'url'>,
  person: Person,
): Promise<ClientPage> {
  const page = new ClientPage(await browser.newPage(`${gateway.url}/voice`), person);
  await page.evaluate(
    'new Promise((go) => { const look = () => window.harness ? go() : setTimeout(look, 10); look(); })',
  );
  return page;
}
