/** How many of a connection's packets arrive, and how evenly, as RTCP reports say. */

import { type QualityWord, WordKeeper } from './quality-word.ts';

/** Weight of the newest report in the smoothed figures. */
const WEIGHT = 1 / 4;

/** The figures of one direction of a connection, smoothed over several reports. */
export interface Direction {
  /** Share of packets lost, 0 … 1. */
  readonly loss: number;
  readonly jitterMs: number;
  /** When the last report came, milliseconds on the main thread's clock. */
  readonly at: number;
}

/** The figures for the log and for operators; those that are not known are left out. */
export interface QualitySummary {
  readonly uplink?: Pick<Direction, 'loss' | 'jitterMs'>;
  readonly downlink?: Pick<Direction, 'loss' | 'jitterMs'>;
  readonly rttMs?: number;
}

/** The quality of one connection in both directions. A figure is null until the first report gives it. */
export class Quality {
  /** From the client to the server, as the server receives it. */
  uplink: Direction | null = null;
  /** From the server to the client, as the client reports it; one figure for all of its slots. */
  downlink: Direction | null = null;
  /** Round-trip time, milliseconds. */
  rttMs: number | null = null;
  private readonly keeper = new WordKeeper();

  /** What others are told; null for nothing. */
  get word(): QualityWord | null {
    return this.keeper.word;
  }

  /** @param loss 0 … 1. */
  noteUplink(loss: number, jitterMs: number, now: number): void {
    this.uplink = smoothed(this.uplink, loss, jitterMs, now);
    this.keep(now);
  }

  /** @param loss 0 … 1. */
  noteDownlink(loss: number, jitterMs: number, now: number): void {
    this.downlink = smoothed(this.downlink, loss, jitterMs, now);
    this.keep(now);
  }

  noteRtt(milliseconds: number): void {
    this.rttMs = this.rttMs === null ? milliseconds : this.rttMs + (milliseconds - this.rttMs) * WEIGHT;
  }

  private keep(now: number): void {
    this.keeper.take([this.uplink, this.downlink], this.rttMs, now);
  }

  /** Returns the known figures, rounded. */
  summary(): QualitySummary {
    const { uplink, downlink, rttMs } = this;
    return {
      ...(uplink === null ? {} : { uplink: rounded(uplink) }),
      ...(downlink === null ? {} : { downlink: rounded(downlink) }),
      ...(rttMs === null ? {} : { rttMs: round(rttMs, 10) }),
    };
  }
}

/**
 * Returns the mean and the worst figures of many connections.
 *
 * @param since directions without a report since then do not count; milliseconds on the main thread's clock.
 */
export function overview(qualities: Iterable<Quality>, since: number): Record<string, unknown> {
  const uplink = new Spread();
  const downlink = new Spread();
  const rtt = new Spread();
  for (const quality of qualities) {
    if (quality.uplink !== null && quality.uplink.at >= since) uplink.add(quality.uplink.loss);
    if (quality.downlink === null || quality.downlink.at < since) continue;
    downlink.add(quality.downlink.loss);
    if (quality.rttMs !== null) rtt.add(quality.rttMs);
  }
  return { uplinkLoss: uplink.figures(1e4), downlinkLoss: downlink.figures(1e4), rttMs: rtt.figures(10) };
}

class Spread {
  private count = 0;
  private sum = 0;
  private worst = 0;

  add(value: number): void {
    this.count++;
    this.sum += value;
    this.worst = Math.max(this.worst, value);
  }

  figures(steps: number): { connections: number; mean: number; worst: number } {
    return {
      connections: this.count,
      mean: round(this.sum / Math.max(1, this.count), steps),
      worst: round(this.worst, steps),
    };
  }
}

function smoothed(before: Direction | null, loss: number, jitterMs: number, at: number): Direction {
  if (before === null) return { loss, jitterMs, at };
  return {
    loss: before.loss + (loss - before.loss) * WEIGHT,
    jitterMs: before.jitterMs + (jitterMs - before.jitterMs) * WEIGHT,
    at,
  };
}

function rounded({ loss, jitterMs }: Direction): { loss: number; jitterMs: number } {
  return { loss: round(loss, 1e4), jitterMs: round(jitterMs, 10) };
}

function round(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
