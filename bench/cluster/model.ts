/**
 * The traffic of one conversation over many instances, by calculation: who talks is drawn at random. On each instance
 * the worker's own code ranks the speakers anew, and the relay's own code chooses whom the others get. So the model
 * tells how many packets cross, and what the listeners get of them. It has no networks, no clocks and no loss.
 */
import { SILENCE } from '../../src/rtp/audio-level.ts';
import { Loudness } from '../../src/rtp/loudness.ts';
import { OPUS_FRAME_TICKS } from '../../src/rtp/packet.ts';
import { type Candidate, Captures, Selection } from '../../src/workers/selection.ts';
import { LEVEL_OFFSET, voicePackets } from '../cases/packets.ts';
import { ModelRelay } from './model-relay.ts';
import { DTX_BYTES, FRAME_MS, Frame, type FrameKind, Spurts, spurtLevel } from './spurts.ts';

/** Frames between two ticks of a worker: 100 ms. */
const TICK_FRAMES = 5;
/** In which of these frames the main thread reads the order: twice as often. */
const LOOKS = [1, 3];
const FRAMES_PER_SECOND = 1000 / FRAME_MS;
const TICKS_PER_SECOND = FRAMES_PER_SECOND / TICK_FRAMES;
const US_PER_MS = 1000;
const PAYLOAD_BYTES = 100;

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
  /** Its number among its instance's own. */
  readonly place: number;
  readonly voice: number;
  readonly spurts: Spurts;
  /** By instance; the last one is one that everybody is on, for comparison. */
  readonly known: readonly Known[];

  constructor(i: number, { instances, microphones, seed, talkMs, pauseMs }: ModelOptions) {
    this.home = Math.floor(i / microphones);
    this.place = i % microphones;
    this.voice = seed + i;
    this.spurts = new Spurts({ seed: this.voice, talkMs, pauseMs });
    this.known = Array.from({ length: instances + 1 }, () => new Known());
  }
}

export class Model {
  private readonly options: ModelOptions;
  /** By instance, and that of one that everybody is on. */
  private readonly orders: readonly Selection<Known>[];
  /** By instance. */
  private readonly relays: readonly ModelRelay[];
  private readonly speakers: readonly Speaker[];
  private readonly speech = voicePackets(1, PAYLOAD_BYTES)[0]!;
  private readonly noise = voicePackets(1, DTX_BYTES)[0]!;
  private frame = 0;
  private second: Traffic[];

  constructor(options: ModelOptions) {
    this.options = options;
    const { instances, microphones, slots, foremost } = options;
    this.orders = Array.from({ length: instances + 1 }, () => {
      const selection = new Selection<Known>();
      selection.depth = slots;
      selection.shallowest = slots;
      return selection;
    });
    this.relays = Array.from({ length: instances }, () => new ModelRelay(microphones, foremost));
    this.speakers = Array.from({ length: instances * microphones }, (_, i) => new Speaker(i, options));
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
    if (this.frame % TICK_FRAMES === 0) this.tick(clock);
    if (LOOKS.includes(this.frame % TICK_FRAMES)) for (const relay of this.relays) relay.look();
    for (const speaker of this.speakers) {
      const kind = speaker.spurts.next();
      if (kind !== Frame.Nothing) this.packet(speaker, kind, clock);
    }
  }

  private packet(speaker: Speaker, kind: FrameKind, clock: number): void {
    const { home, place, spurts, voice } = speaker;
    const { instances } = this.options;
    const level = kind === Frame.Speech ? spurtLevel(spurts.frames, voice) : SILENCE;
    this.heard(speaker, instances, level, clock);
    this.heard(speaker, home, level, clock);
    const bytes = kind === Frame.Speech ? this.speech : this.noise;
    bytes[LEVEL_OFFSET] = 0x80 | level;
    if (!this.relays[home]!.goes(place, bytes, this.frame * FRAME_MS * US_PER_MS)) return;
    this.second[home]!.out++;
    for (let i = 0; i < instances; i++) {
      if (i === home) continue;
      this.second[i]!.in++;
      this.heard(speaker, i, level, clock);
    }
  }

  /** Ranks a packet at an instance, and counts those of its listeners who get it. */
  private heard({ known }: Speaker, at: number, level: number, clock: number): void {
    const { slots, listeners } = this.options;
    const candidate = known[at]!;
    this.orders[at]!.heard(candidate, candidate.loudness.hear(level, level === SILENCE, clock), clock);
    if (candidate.rank < slots && at < this.second.length) this.second[at]!.toListeners += listeners;
  }

  /** Does what a worker does a few times a second: ranks those down who fell quiet, and writes the order down. */
  private tick(clock: number): void {
    for (const order of this.orders) order.expire(clock);
    for (const { home, place, known } of this.speakers) this.relays[home]!.rank(place, known[home]!.rank);
    for (let i = 0; i < this.relays.length; i++) this.second[i]!.agreement += this.agreement(i) / TICKS_PER_SECOND;
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
