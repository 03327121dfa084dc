/** Computes connection quality from two reports of the browser's statistics, using only values that it provides. */

import type { Quality } from './quality-word.ts';

export type { Quality } from './quality-word.ts';

/** Quality of the connection. A value is null if this browser does not provide it or it has not been measured yet. */
export interface Statistics {
  /** All of it in a word, slow to change: `lost` without a connection, and the last word until there are measurements. */
  readonly quality: Quality;
  /** Round trip to the server, milliseconds. */
  readonly rttMs: number | null;
  /** Fraction of packets lost on the way to the server in the last interval, 0 to 1. */
  readonly uplinkLoss: number | null;
  /** Fraction of packets lost on the way from the server in the last interval, 0 to 1. */
  readonly downlinkLoss: number | null;
  /** Jitter of the received packets, milliseconds, for the worst slot. */
  readonly jitterMs: number | null;
  /** Fraction of the audio played that was concealed because packets were missing, 0 to 1. */
  readonly concealment: number | null;
  /** Payload bits per second; likewise for the downlink. */
  readonly uplinkBitrate: number | null;
  readonly downlinkBitrate: number | null;
  /** Level of the client's own microphone, 0 to 1. */
  readonly microphoneLevel: number | null;
}

export type Measurement = Omit<Statistics, 'quality'>;

/** Totals since the connection was established. */
export interface Totals {
  /** Milliseconds. */
  at: number;
  packetsSent: number;
  bytesSent: number;
  /** Packets lost according to the server; null until it has reported. */
  uplinkLost: number | null;
  packetsReceived: number;
  packetsLost: number;
  bytesReceived: number;
  concealed: number;
  samples: number;
  rttMs: number | null;
  jitterMs: number | null;
  microphoneLevel: number | null;
}

/** An entry of a report, as in webrtc-stats. Any member may be missing. */
export type StatsEntry = Readonly<Record<string, unknown>>;

/** Sums up a report. @param at when it was taken, milliseconds. */
export function addUp(entries: Iterable<StatsEntry>, at: number): Totals {
  const totals: Totals = {
    ...{ at, packetsSent: 0, bytesSent: 0, uplinkLost: null, packetsReceived: 0, packetsLost: 0, bytesReceived: 0 },
    ...{ concealed: 0, samples: 0, rttMs: null, jitterMs: null, microphoneLevel: null },
  };
  let pairRtt: number | null = null;
  for (const entry of entries) {
    switch (entry['type']) {
      case 'outbound-rtp':
        totals.packetsSent += numberOf(entry, 'packetsSent') ?? 0;
        totals.bytesSent += numberOf(entry, 'bytesSent') ?? 0;
        break;
      case 'remote-inbound-rtp':
        totals.uplinkLost = (totals.uplinkLost ?? 0) + (numberOf(entry, 'packetsLost') ?? 0);
        totals.rttMs = inMs(numberOf(entry, 'roundTripTime')) ?? totals.rttMs;
        break;
      case 'inbound-rtp':
        addInbound(totals, entry);
        break;
      case 'candidate-pair':
        if (entry['nominated'] === true) pairRtt = inMs(numberOf(entry, 'currentRoundTripTime')) ?? pairRtt;
        break;
      case 'media-source':
        totals.microphoneLevel = numberOf(entry, 'audioLevel');
        break;
      default:
    }
  }
  totals.rttMs ??= pairRtt;
  return totals;
}

/** Returns the quality of the interval between two reports. */
export function compare(before: Totals, now: Totals): Measurement {
  const seconds = (now.at - before.at) / 1000;
  const received = now.packetsReceived - before.packetsReceived;
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const uplinkLost = now.uplinkLost === null ? null : Math.max(0, now.uplinkLost - (before.uplinkLost ?? 0));
  return {
    rttMs: now.rttMs,
    uplinkLoss: uplinkLost === null ? null : share(uplinkLost, now.packetsSent - before.packetsSent),
    downlinkLoss: share(lost, received + lost),
    jitterMs: now.jitterMs,
    concealment: share(now.concealed - before.concealed, now.samples - before.samples),
    uplinkBitrate: rate(now.bytesSent - before.bytesSent, seconds),
    downlinkBitrate: rate(now.bytesReceived - before.bytesReceived, seconds),
    microphoneLevel: now.microphoneLevel,
  };
}

const NOTHING = addUp([], 0);

export const NO_STATISTICS: Statistics = { quality: 'lost', ...compare(NOTHING, NOTHING) };

function addInbound(totals: Totals, entry: StatsEntry): void {
  totals.packetsReceived += numberOf(entry, 'packetsReceived') ?? 0;
  totals.packetsLost += numberOf(entry, 'packetsLost') ?? 0;
  totals.bytesReceived += numberOf(entry, 'bytesReceived') ?? 0;
  // Silence that the decoder inserts while nobody sends is not loss.
  const concealed = (numberOf(entry, 'concealedSamples') ?? 0) - (numberOf(entry, 'silentConcealedSamples') ?? 0);
  totals.concealed += concealed;
  totals.samples += numberOf(entry, 'totalSamplesReceived') ?? 0;
  const jitter = inMs(numberOf(entry, 'jitter'));
  if (jitter !== null) totals.jitterMs = Math.max(totals.jitterMs ?? 0, jitter);
}

function numberOf(entry: StatsEntry, name: string): number | null {
  const value = entry[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}

/** Returns a fraction, 0 to 1; null if the whole is empty. */
function share(part: number, whole: number): number | null {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : null;
}

function rate(bytes: number, seconds: number): number | null {
  return seconds > 0 ? Math.max(0, (bytes * 8) / seconds) : null;
}
