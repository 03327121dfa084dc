/** Measures one cell of the table: a voice, a listener with and one without RED, and loss on one side of the server. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedUse } from '../../src/main/config.ts';
import { type Browser, launchBrowser } from '../../test/support/browsers.ts';
import { type Gateway, startGateway } from '../../test/support/gateway.ts';
import {
  type InboundStats,
  openVoicePage,
  type Shape,
  type Stats,
  TONES,
  type VoicePage,
} from '../../test/support/page.ts';
import { freeUdpPort, type RunningServer, startServer } from '../../test/support/server.ts';
import { losePackets } from '../room/namespace.ts';
import { cpuOf } from '../room/process.ts';
import { speech } from './speech.ts';

/** Time for reports of the loss to reach the encoder and for jitter buffers to settle, milliseconds. */
const SETTLE_MS = 8000;

/** Where packets are lost: on the way to the server, or from it. */
export type Side = 'publisher' | 'listener';

/** How a listener heard the voice. */
export interface Heard {
  /** Share of the samples played that were made up because a packet was missing, %. */
  readonly concealed: number;
  /** Mean time in the jitter buffer, milliseconds. */
  readonly delay: number;
  /** RTP payload received, kbit/s. */
  readonly down: number;
  /** Share of packets that the listener counts as lost, %. */
  readonly lost: number;
}

export interface Cell {
  readonly red: RedUse;
  readonly loss: number;
  /** RTP payload that the voice sent, kbit/s. */
  readonly up: number;
  /** CPU time of the whole server, milliseconds per second. */
  readonly cpu: number;
  /** The listener that knows RED, and the one that does not. */
  readonly knows: Heard;
  readonly knowsNot: Heard;
}

/** What the cells of one server share. */
interface Room {
  readonly red: RedUse;
  readonly side: Side;
  readonly port: number;
  readonly server: RunningServer;
  readonly speaker: VoicePage;
  readonly knows: VoicePage;
  readonly knowsNot: VoicePage;
}

/** Measures one server for this many seconds at each of these losses, %. */
export async function measureRed(red: RedUse, losses: readonly number[], seconds: number, side: Side): Promise<Cell[]> {
  const port = await freeUdpPort();
  const server = await startServer({ RED: red, MEDIA_PORTS: String(port) });
  const gateway = await startGateway(server.port);
  const browser = await launchBrowser('chromium');
  try {
    const speaker = await enter(browser, gateway, 'speaker', { slots: 0, sound: speech() });
    const knows = await enter(browser, gateway, 'knows', { listenOnly: true });
    const knowsNot = await enter(browser, gateway, 'knows-not', { listenOnly: true, red: false });
    const cells: Cell[] = [];
    for (const loss of losses) {
      cells.push(await measureCell({ red, side, port, server, speaker, knows, knowsNot }, loss, seconds));
    }
    return cells;
  } finally {
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

async function enter(browser: Browser, gateway: Gateway, user: string, shape: Shape): Promise<VoicePage> {
  const page = await openVoicePage(browser, gateway, { user, tone: TONES[0] });
  await page.connect(shape);
  await page.join('kitchen');
  return page;
}

async function measureCell(room: Room, loss: number, seconds: number): Promise<Cell> {
  const { red, side, port, server, speaker, knows, knowsNot } = room;
  const look = (): Promise<Stats[]> => Promise.all([speaker.stats(), knows.stats(), knowsNot.stats()]);
  losePackets(side === 'publisher' ? 'to' : 'from', port, loss);
  await delay(SETTLE_MS);
  const cpuBefore = cpuOf(server.process.pid!);
  const begun = performance.now();
  const before = await look();
  await delay(seconds * 1000);
  const after = await look();
  const elapsed = (performance.now() - begun) / 1000;
  const cpu = cpuOf(server.process.pid!);
  return {
    red,
    loss,
    up: ((after[0]!.bytesSent - before[0]!.bytesSent) * 8) / 1000 / elapsed,
    cpu: ((cpu.user + cpu.system - cpuBefore.user - cpuBefore.system) * 1000) / elapsed,
    knows: heard(before[1]!, after[1]!, elapsed),
    knowsNot: heard(before[2]!, after[2]!, elapsed),
  };
}

function heard(before: Stats, after: Stats, elapsed: number): Heard {
  const [was, is] = [before.inbound['0']!, after.inbound['0']!];
  const grew = (name: keyof InboundStats): number => is[name] - was[name];
  return {
    concealed: (100 * grew('concealedSamples')) / grew('totalSamplesReceived'),
    delay: (1000 * grew('jitterBufferDelay')) / grew('jitterBufferEmittedCount'),
    down: (grew('bytesReceived') * 8) / 1000 / elapsed,
    lost: (100 * grew('packetsLost')) / (grew('packetsLost') + grew('packetsReceived')),
  };
}
