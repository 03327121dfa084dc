/**
 * The traffic of one conversation over many instances, by calculation: who talks is drawn at random, and the worker's
 * own code ranks them, on each instance anew. An instance passes on its foremost speakers alone, so the model tells how
 * many packets cross, and what the listeners get of them. It has no networks, no clocks and no loss.
 */
import { SILENCE } from '../../src/rtp/audio-level.ts';
import { Loudness } from '../../src/rtp/loudness.ts';
import { OPUS_FRAME_TICKS } from '../../src/rtp/packet.ts';
import { type Candidate, Captures, Selection } from '../../src/workers/selection.ts';
import { FRAME_MS, Frame, type FrameKind, Spurts, spurtLevel } from './spurts.ts';

/** Frames between two looks at the order: 100 ms. */
const LOOK_FRAMES = 5;
/** Somebody who began to sound within so many frames is passed on, whatever the order says: 200 ms. */
const NEWCOMER_FRAMES = 10;
const FRAMES_PER_SECOND = 1000 / FRAME_MS;
const LOOKS_PER_SECOND = FRAMES_PER_SECOND / LOOK_FRAMES;

export interface ModelOptions {
  readonly instances: number;
  /** Listeners of each instance. */
  readonly listeners: number;
  readonly slots: number;
  /** How many of its own speakers an instance passes on. */
  readonly foremost: number;
  /** People with an open microphone at each instance. */
  readonly microphones: number;
  readonly seed: number;
  readonly talkMs: number;
  readonly pauseMs: number;
  /** Time that is not counted, at the beginning. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Packets of one instance. */
export interface Traffic {
  out: number;
  in: number;
  toListeners: number;
  /** Speakers in its listeners' slots who would be there if everybody were on one instance; 0 … 1, mean of the looks. */
  agreement: number;
}

/** What one instance knows of a speaker. */
class Known implements Candidate {
  rank = -1;
  speaking = false;
  readonly loudness = new Loudness();
  readonly captures = new Captures();
}

/** A speaker, as its own instance and the others know it. */
class Speaker {
  readonly home: number;
  readonly number: number;
  readonly spurts: Spurts;
  /** By instance; the last one is one that everybody is on, for comparison. */
  readonly known: readonly Known[];
  /** Its place among its instance's own, by the latest look; -1 without. */
  place = -1;
  private began = -NEWCOMER_FRAMES;
  private lastSound = -NEWCOMER_FRAMES;

  constructor(home: number, number: number, { instances, talkMs, pauseMs }: ModelOptions) {
    this.home = home;
    this.number = number;
    this.spurts = new Spurts({ seed: number, talkMs, pauseMs });
    this.known = Array.from({ length: instances + 1 }, () => new Known());
  }

  /** Notes a packet with or without sound. @returns whether it is a newcomer's. */
  isNew(sound: boolean, frame: number): boolean {
    if (!sound) return false;
    if (frame - this.lastSound > NEWCOMER_FRAMES) this.began = frame;
    this.lastSound = frame;
    return frame - this.began < NEWCOMER_FRAMES;
  }
}

export class Model {
  private readonly options: ModelOptions;
  /** By instance, and that of one that everybody is on. */
  private readonly orders: readonly Selection<Known>[];
  private readonly speakers: readonly Speaker[];
  private frame = 0;
  private second: Traffic[];

  constructor(options: ModelOptions) {
    this.options = options;
    const { instances, microphones, slots, seed } = options;
    this.orders = Array.from({ length: instances + 1 }, () => {
      const selection = new Selection<Known>();
      selection.depth = slots;
      selection.shallowest = slots;
      return selection;
    });
    this.speakers = Array.from(
      { length: instances * microphones },
      (_, i) => new Speaker(Math.floor(i / microphones), seed + i, options),
    );
    this.second = this.nothing();
  }

  /** Runs the model. @returns what each instance did in each second. */
  run(): Traffic[][] {
    const { warmUpSeconds, seconds } = this.options;
    const all: Traffic[][] = [];
    for (let second = -warmUpSeconds; second < seconds; second++) {
      this.second = this.nothing();
      for (let i = 0; i < FRAMES_PER_SECOND; i++) this.step();
      if (second >= 0) all.push(this.second);
    }
    return all;
  }

  private step(): void {
    const clock = Math.imul(++this.frame, OPUS_FRAME_TICKS);
    if (this.frame % LOOK_FRAMES === 0) this.look(clock);
    for (const speaker of this.speakers) {
      const kind = speaker.spurts.next();
      if (kind !== Frame.Nothing) this.packet(speaker, kind, clock);
    }
  }

  private packet(speaker: Speaker, kind: FrameKind, clock: number): void {
    const { home } = speaker;
    const { instances, foremost } = this.options;
    this.heard(speaker, instances, kind, clock);
    const sound = this.heard(speaker, home, kind, clock);
    const isNew = speaker.isNew(sound, this.frame);
    if (!isNew && (speaker.place < 0 || speaker.place >= foremost)) return;
    this.second[home]!.out++;
    for (let i = 0; i < instances; i++) {
      if (i === home) continue;
      this.second[i]!.in++;
      this.heard(speaker, i, kind, clock);
    }
  }

  /** Ranks a packet at an instance, and counts those of its listeners who get it. @returns whether it holds sound. */
  private heard({ known, spurts, number }: Speaker, at: number, kind: FrameKind, clock: number): boolean {
    const { slots, listeners } = this.options;
    const candidate = known[at]!;
    const quiet = kind === Frame.Noise;
    const sound = candidate.loudness.hear(quiet ? SILENCE : spurtLevel(spurts.frames, number), quiet, clock);
    this.orders[at]!.heard(candidate, sound, clock);
    if (candidate.rank < slots && at < this.second.length) this.second[at]!.toListeners += listeners;
    return sound;
  }

  /** Does what an instance does a few times a second: ranks those down who fell quiet, and notes who is foremost. */
  private look(clock: number): void {
    for (const order of this.orders) order.expire(clock);
    const { instances, microphones } = this.options;
    for (let i = 0; i < instances; i++) {
      const own = this.speakers.slice(i * microphones, (i + 1) * microphones);
      for (const speaker of own) speaker.place = -1;
      own
        .filter(({ known }) => known[i]!.rank >= 0)
        .sort((a, b) => a.known[i]!.rank - b.known[i]!.rank)
        .forEach((speaker, place) => {
          speaker.place = place;
        });
      this.second[i]!.agreement += this.agreement(i) / LOOKS_PER_SECOND;
    }
  }

  /** Returns the share of those in the slots of an instance who are in the slots of one that everybody is on. */
  private agreement(at: number): number {
    const { instances, slots } = this.options;
    const inSlots =
      (i: number) =>
      ({ known }: Speaker) =>
        known[i]!.speaking && known[i]!.rank < slots;
    const wanted = this.speakers.filter(inSlots(instances));
    return wanted.length === 0 ? 1 : wanted.filter(inSlots(at)).length / wanted.length;
  }

  private nothing(): Traffic[] {
    return Array.from({ length: this.options.instances }, () => ({ out: 0, in: 0, toListeners: 0, agreement: 0 }));
  }
}
