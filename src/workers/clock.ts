/**
 * The clock that all threads share. Each thread's `performance.now()` counts from that thread's own start, so its offset
 * to the monotonic clock is taken once; reading it then costs no system call, only the number that it
 * returns, which Node 20 allocates: one collection in some 60,000 reads.
 */
import { performance } from 'node:perf_hooks';
import { OPUS_CLOCK_RATE } from '../rtp/packet.ts';

const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const TICKS_PER_MS = OPUS_CLOCK_RATE / 1000;

/** Milliseconds of the monotonic clock, with fractions. */
export function milliseconds(): number {
  return performance.now() + offset;
}

/** A time of {@link milliseconds} as the clock of the media: ticks of 1/48000 s, modulo 2^32. */
export function toTicks(time: number): number {
  return Math.floor(time * TICKS_PER_MS) | 0;
}

/** A time of {@link milliseconds} as the stamp of a record: microseconds, modulo 2^32. */
export function toStamp(time: number): number {
  return Math.floor(time * 1000) | 0;
}

/** A time of {@link milliseconds} as a heartbeat: whole milliseconds, modulo 2^32. */
export function toBeat(time: number): number {
  return Math.floor(time) | 0;
}
