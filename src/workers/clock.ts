/**
 * The clock that all threads share. Each thread's `performance.now()` counts from that thread's own start, so each
 * thread measures its offset to the monotonic clock once. A reading then needs no system call. It only allocates the
 * number it returns, on Node 20: one collection in some 60,000 reads.
 */
import { performance } from 'node:perf_hooks';
import { OPUS_CLOCK_RATE } from '../rtp/packet.ts';

const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const TICKS_PER_MS = OPUS_CLOCK_RATE / 1000;

/** Returns the time of the monotonic clock, milliseconds with fractions. */
export function milliseconds(): number {
  return performance.now() + offset;
}

/** Converts a time of {@link milliseconds} to the media clock: ticks of 1/48000 s, modulo 2^32. */
export function toTicks(time: number): number {
  return Math.floor(time * TICKS_PER_MS) | 0;
}

/** Converts a time of {@link milliseconds} to the stamp of a record: microseconds, modulo 2^32. */
export function toStamp(time: number): number {
  return Math.floor(time * 1000) | 0;
}

/** Converts a time of {@link milliseconds} to a heartbeat: whole milliseconds, modulo 2^32. */
export function toBeat(time: number): number {
  return Math.floor(time) | 0;
}
