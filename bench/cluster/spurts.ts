/** When people talk and when they pause, at random but repeatable: for the simulation, and for real clients alike. */
import { prng, type Random } from '../../test/support/prng.ts';
import { spokenLevel } from '../cases/packets.ts';

export const FRAME_MS = 20;
/** Opus sends a packet of this size for silence, at this interval. */
export const DTX_INTERVAL_MS = 400;
export const DTX_BYTES = 1;

export interface SpurtOptions {
  readonly seed: number;
  /** Mean durations of a talk-spurt and of a pause, milliseconds; both are exponentially distributed. */
  readonly talkMs: number;
  readonly pauseMs: number;
}

/** What a client sends in a frame. */
export const Frame = { Nothing: 0, Speech: 1, Noise: 2 } as const;
export type FrameKind = (typeof Frame)[keyof typeof Frame];

/** One person's talk-spurts, frame by frame. */
export class Spurts {
  /** Frames so far. */
  frames = 0;
  private readonly random: Random;
  private readonly options: SpurtOptions;
  private talks: boolean;
  /** Frames left of the current spurt or pause. */
  private left: number;
  private quiet = 0;

  constructor(options: SpurtOptions) {
    this.options = options;
    this.random = prng(Math.imul(options.seed, 0x9e3779b1));
    this.talks = this.fraction() < options.talkMs / (options.talkMs + options.pauseMs);
    this.left = this.duration();
    this.quiet = Math.floor(this.fraction() * (DTX_INTERVAL_MS / FRAME_MS));
  }

  /** Returns what is sent in the next frame. */
  next(): FrameKind {
    this.frames++;
    if (this.left === 0) {
      this.talks = !this.talks;
      this.left = this.duration();
      this.quiet = 0;
    }
    this.left--;
    if (this.talks) return Frame.Speech;
    return this.quiet++ % (DTX_INTERVAL_MS / FRAME_MS) === 0 ? Frame.Noise : Frame.Nothing;
  }

  private duration(): number {
    const { talkMs, pauseMs } = this.options;
    const mean = this.talks ? talkMs : pauseMs;
    return Math.max(1, Math.round((-mean * Math.log(1 - this.fraction())) / FRAME_MS));
  }

  private fraction(): number {
    return this.random() / 2 ** 32;
  }
}

/** Returns the level of somebody's frame of speech. Some are louder than others. @param voice tells people apart. */
export function spurtLevel(frame: number, voice: number): number {
  return spokenLevel(frame, voice) + (Math.imul(voice, 0x9e3779b1) >>> 29);
}
