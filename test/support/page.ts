import { type EventRequestInput, writeRequest } from '../../src/main/events/schema.ts';
import type { Browser, Page } from './browsers.ts';
import { EventView } from './event-view.ts';
import type { Gateway } from './gateway.ts';
import { until } from './waiting.ts';

/**
 * Tones that pages send, in Hz: far apart, and none a multiple of another, so that a distorted tone is never another
 * one.
 */
export const TONES = [437, 631, 853, 1181, 1607, 2179] as const;

/** A tone counts as heard from this level on. Pages send it at about -13 dB. */
const HEARD_DB = -30;

/** A tone counts as silent below this level. Between the two the observation counts as neither. */
const SILENT_DB = -50;

/** Observations in a row that make a condition stable; each takes about half a second. */
const STABLE = 3;

/** Shape of a page's offer, beside its microphone. */
export interface Shape {
  /** Audio m-lines that receive; the first is the microphone's own. */
  slots?: number;
  video?: boolean;
  dataChannel?: boolean;
  /** Loudness of the tone in dB below full scale, one value a second, repeated. */
  gains?: number[];
  /** Whether the page opens the data channel for events. */
  events?: boolean;
  /** No microphone: the first m-line is `recvonly` too. */
  listenOnly?: boolean;
  /** URL of the sound to send instead of the tone. */
  sound?: string;
  /** Contents of an m-line before the microphone's. */
  first?: 'video' | 'data' | 'inactive' | 'pcmu';
  bundlePolicy?: 'balanced' | 'max-compat' | 'max-bundle';
  /** Whether the page offers RED if the browser knows it; true by default. */
  red?: boolean;
  /** Whether frames are encrypted end to end (`RTCRtpScriptTransform`). */
  e2ee?: boolean;
}

export interface Connected {
  offer: string;
  answer: string;
  /** How the server closed the websocket. */
  code: number;
  reason: string;
}

export interface InboundStats {
  ssrc: number;
  packetsReceived: number;
  /** Payload bytes. */
  bytesReceived: number;
  packetsLost: number;
  /** Packets that the jitter buffer discarded because they were late or overlapped others. */
  packetsDiscarded: number;
  concealedSamples: number;
  totalSamplesReceived: number;
  /** Seconds that all samples together spent in the jitter buffer, and the number of these samples. */
  jitterBufferDelay: number;
  jitterBufferEmittedCount: number;
}

export interface CandidateStats {
  candidateType: string;
  address: string;
  port: number;
}

export interface Stats {
  connectionState: string;
  packetsSent: number;
  /** Payload bytes. */
  bytesSent: number;
  /** By mid; a slot that received nothing may be missing. */
  inbound: Record<string, InboundStats>;
  pair?: { local: CandidateStats; remote: CandidateStats };
}

/** Statistics that depend on RTCP, by their names in webrtc-stats; those that a browser does not know are missing. */
export interface RtcpStats {
  /** Milliseconds since 1970. */
  now: number;
  outbound?: { ssrc: number; packetsSent: number };
  remoteInbound?: {
    ssrc: number;
    packetsLost: number;
    fractionLost: number;
    jitter: number;
    roundTripTime?: number;
    roundTripTimeMeasurements: number;
  };
  inbound: { ssrc: number; packetsReceived: number; bytesReceived: number }[];
  remoteOutbound: {
    ssrc: number;
    packetsSent: number;
    bytesSent: number;
    reportsSent: number;
    remoteTimestamp: number;
  }[];
}

/** Tones heard at one moment. */
export interface Hearing {
  /** Tones heard, once for each slot in which they were heard, in ascending order. */
  heard: number[];
  /** Tones too faint to count as heard and too loud to count as silent. */
  unclear: number[];
  levels: Levels;
}

/** Level of each of {@link TONES} in dB, by mid; null where the recording was too short to measure. */
export type Levels = Record<string, number[] | null>;

export interface Person {
  user: string;
  client?: string;
  tone: number;
}

/** A page with the test's own client: one user with one tone. */
export class VoicePage {
  readonly tone: number;
  readonly token: string;
  /** What the page knows from the events that {@link knows} has read. */
  readonly view = new EventView();
  private readonly page: Page;

  constructor(page: Page, person: Person) {
    this.page = page;
    this.tone = person.tone;
    this.token = tokenOf(person);
  }

  /** Connects, or connects again; resolves when connected and the server has closed the websocket. */
  connect(shape: Shape = {}): Promise<Connected> {
    return this.call('connect', { token: this.token, tone: this.tone, ...shape });
  }

  /**
   * Makes an attempt to connect that fails; see `fail` in the page. Resolves with how the server closed the websocket.
   */
  fail(way: { takes?: boolean; stays?: boolean; port?: number }): Promise<{ code: number; reason: string }> {
    return this.call('fail', { token: this.token, tone: this.tone, ...way });
  }

  /**
   * Waits until a page that connects by itself is connected. Resolves with the number of media streams of its tracks,
   * and with the time from the opening of its websocket to its offer, milliseconds.
   */
  established(): Promise<Connected & { streams: number; offerAfter: number }> {
    return this.call('established');
  }

  /** Returns the offer that `connect` would send, with its candidates. */
  offer(shape: Shape = {}): Promise<string> {
    return this.call('offer', shape);
  }

  /** Sends the tone to itself over two peer connections within the page, without a server. */
  loopback(): Promise<void> {
    return this.call('loopback', { tone: this.tone });
  }

  join(conversation: string): Promise<{ status: number; body: string }> {
    return this.call('membership', { method: 'POST', token: this.token, conversation });
  }

  leave(conversation: string): Promise<{ status: number; body: string }> {
    return this.call('membership', { method: 'DELETE', token: this.token, conversation });
  }

  /** Listens to all slots for a moment. */
  async hear(): Promise<Hearing> {
    return judge(await this.call<Levels>('levels', TONES));
  }

  stats(): Promise<Stats> {
    return this.call('stats');
  }

  /**
   * Returns the state of the m-lines with media; a direction is the answer's, or the offer's where the answer has none.
   */
  lines(): Promise<{ kind: string; direction: string; sent: number }[]> {
    return this.call('lines');
  }

  reports(): Promise<RtcpStats> {
    return this.call('reports');
  }

  /** Returns the contributing sources of each slot, by mid. */
  csrcs(): Promise<Record<string, number[]>> {
    return this.call('csrcs');
  }

  /** Returns the number of the speaker that is in each slot now, by mid. */
  speakers(): Promise<Record<string, number | null>> {
    return this.call('speakers');
  }

  /** Returns the changes in the slots during the next milliseconds; times are milliseconds since 1970. */
  watchSpeakers(milliseconds: number): Promise<{ at: number; mid: string; speaker: number | null }[]> {
    return this.call('watchSpeakers', milliseconds);
  }

  /**
   * Changes the loudness of the tone, in dB below full scale, one value a second, repeated. Resolves with the time of
   * the change.
   */
  sing(...gains: number[]): Promise<number> {
    return this.call('sing', { tone: this.tone, gains });
  }

  /** Waits until what the page knows by its events is as wanted. */
  async knows(wanted: (view: EventView) => boolean): Promise<void> {
    const look = async (): Promise<boolean> => {
      for (const text of await this.call<string[]>('told')) this.view.take(text);
      return wanted(this.view);
    };
    await until(`${this.token} knows what is wanted: ${wanted}`, look, { interval: 50 });
  }

  /** Sends a request over the channel for events. */
  ask(request: EventRequestInput): Promise<void> {
    return this.call('ask', writeRequest(request));
  }

  mute(muted: boolean): Promise<void> {
    return this.call('mute', muted);
  }

  /** Closes the peer connection; the page stays open. */
  hangUp(): Promise<void> {
    return this.call('close');
  }

  /** Closes the page, and with it the peer connection. */
  close(): Promise<void> {
    return this.page.close();
  }

  private call<T>(name: string, argument?: unknown): Promise<T> {
    return this.page.evaluate<T>(`voice.${name}(${argument === undefined ? '' : JSON.stringify(argument)})`);
  }
}

/** Opens a page with the test's own client for one user. */
export async function openVoicePage(browser: Browser, gateway: Gateway, person: Person): Promise<VoicePage> {
  return new VoicePage(await browser.newPage(gateway.url), person);
}

/** Options of the example client. */
export interface ExampleOptions {
  /** Time that the user takes to allow the microphone once the websocket is open, milliseconds. */
  late?: number;
  /** A STUN server. */
  stun?: string;
  /** Another URL of the API than the gateway's, and the token that is valid there. */
  api?: { url: string; token: string };
}

/** Opens the original README's example client, which connects at once. */
export async function openExamplePage(
  browser: Browser,
  gateway: Gateway,
  person: Person,
  { late = 0, stun, api }: ExampleOptions = {},
): Promise<VoicePage> {
  const query = new URLSearchParams({ token: api?.token ?? tokenOf(person), late: String(late) });
  if (stun !== undefined) query.set('stun', stun);
  if (api !== undefined) query.set('api', api.url);
  return new VoicePage(await browser.newPage(`${gateway.url}/example?${query}#${person.tone}`), person);
}

/** Returns the token that the gateway turns into this user's claim. */
export function tokenOf({ user, client = 'browser' }: Omit<Person, 'tone'>): string {
  return `${user}.${client}`;
}

/** Sorts the measured levels: heard, unclear, or silent, which is not reported. */
export function judge(levels: Levels): Hearing {
  const hearing: Hearing = { heard: [], unclear: [], levels };
  for (const slot of Object.values(levels)) {
    TONES.forEach((tone, i) => {
      const level = slot?.[i];
      if (level === undefined) hearing.unclear.push(tone);
      else if (level >= HEARD_DB) hearing.heard.push(tone);
      else if (level > SILENT_DB) hearing.unclear.push(tone);
    });
  }
  hearing.heard.sort((a, b) => a - b);
  return hearing;
}

/**
 * Waits until a page hears exactly these tones, each in one slot, in several observations in a row.
 *
 * @param never tones that must not be heard even once meanwhile. The page's own tone is always one of them.
 */
export async function hearsExactly(
  page: Pick<VoicePage, 'tone' | 'token' | 'hear'>,
  tones: readonly number[],
  { never = [], seconds = 120 }: { never?: readonly number[]; seconds?: number } = {},
): Promise<void> {
  const wanted = [...tones].sort((a, b) => a - b).join(' ');
  const forbidden = [page.tone, ...never];
  const deadline = Date.now() + seconds * 1000;
  const trail: string[] = [];
  let row = 0;
  let last: Hearing | undefined;
  while (row < STABLE) {
    if (Date.now() > deadline) {
      throw new Error(`${page.token} should hear [${wanted}], heard ${trail.join(', ')}: ${JSON.stringify(last)}`);
    }
    last = await page.hear();
    trail.push(`[${last.heard.join(' ')}]${last.unclear.length > 0 ? '?' : ''}`);
    if (forbidden.some((tone) => last?.heard.includes(tone))) {
      throw new Error(`${page.token} must never hear [${forbidden.join(' ')}]: ${JSON.stringify(last)}`);
    }
    row = last.heard.join(' ') === wanted && last.unclear.length === 0 ? row + 1 : 0;
  }
}
