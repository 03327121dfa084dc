/**
 * How much a source deserves to be heard, from the audio levels (RFC 6464) of its packets.
 *
 * A packet counts with its volume if that stands out of the source's own noise, and with nothing otherwise (the score of
 * Jitsi's speaker ranking). From this come two figures of different speed: the score, which follows within two packets
 * and tells who is talking now; and the strength, which takes some hundred milliseconds to win and about a second of
 * silence to lose, so that neither a clap wins a slot nor a breath loses one.
 *
 * Volumes are 127 minus the level: 0 is digital silence, 127 the loudest. Score and strength are 256 times that.
 * Everything is an integer, so that nothing is allocated for a packet.
 */
import { NO_LEVEL } from './audio-level.ts';
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** One unit of volume in scores and strengths. */
export const VOLUME_UNIT = 256;
/** How long a source counts as speaking after its last sound, ticks: nobody is cut between words. */
export const HANG_OVER = OPUS_CLOCK_RATE;

const MAX_VOLUME = 127;
/** How far a volume must be above the noise floor to be sound, and what the floor is never below. */
const ABOVE_FLOOR = 10;
const LEAST_FLOOR = 47;
/** The noise floor is the least volume of this many stretches of this many ticks: 15 s. */
const STRETCHES = 3;
const STRETCH_TICKS = 5 * OPUS_CLOCK_RATE;
/** What a packet without a level counts with: below the voice of anybody who says how loud they are. */
const UNKNOWN_VOLUME = 60;
/** Time constants of the strength, ticks: rising, and falling while there is sound. */
const RISE = 0.1 * OPUS_CLOCK_RATE;
const FALL = 0.3 * OPUS_CLOCK_RATE;
/** Longest silence that is part of a word, ticks. */
const WITHIN_WORD = 0.12 * OPUS_CLOCK_RATE;
/** Longest time that one packet stands for, ticks. */
const MAX_PACKET_TICKS = 3 * OPUS_FRAME_TICKS;

export class Loudness {
  /** Volume of the last packet, 0 … 127; 0 if it was noise. */
  volume = 0;
  private volumeBefore = 0;
  /** Follows the volume within two packets. */
  score = 0;
  /** Clock of the last packet with sound, ticks modulo 2^32. */
  lastSound = 0;
  /** Set by the ranking for one who was passed in a pause: who then goes on does so with the strength of before. */
  interrupted = false;
  /** As of the last sound; takes some hundred milliseconds to win. */
  strength = 0;
  private lastPacket = 0;
  private started = false;
  private floor = LEAST_FLOOR;
  /** Least volumes of the past stretches, and of the one that runs. */
  private readonly least = new Int32Array(STRETCHES).fill(LEAST_FLOOR);
  private stretch = 0;
  private stretchLeast = MAX_VOLUME;
  private stretchBegan = 0;

  /**
   * Takes the level of the next packet.
   *
   * @param level 0 (loudest) … 127 (silence), or `NO_LEVEL`.
   * @param silent whether the packet cannot hold sound, whatever it says: comfort noise.
   * @param clock now, ticks modulo 2^32.
   * @returns whether there is sound in it.
   */
  hear(level: number, silent: boolean, clock: number): boolean {
    if (!this.started) this.start(clock);
    const volume = silent ? 0 : level === NO_LEVEL ? UNKNOWN_VOLUME : this.aboveNoise(MAX_VOLUME - level, clock);
    // The strength goes by the softest of three packets in a row, which a voice hardly feels and random levels do.
    const steady = Math.min(volume, this.volume, this.volumeBefore) * VOLUME_UNIT;
    this.volumeBefore = this.volume;
    this.volume = volume;
    this.score = (this.score + volume * VOLUME_UNIT) >> 1;
    // By the clock, not by the packet: who sends more packets than others is no louder for it.
    const lasted = Math.min(Math.max((clock - this.lastPacket) | 0, 0), MAX_PACKET_TICKS);
    this.lastPacket = clock;
    if (volume === 0) return false;
    const before = this.interrupted ? this.strength : this.strengthAt(clock);
    this.interrupted = false;
    const time = steady > before ? RISE : steady > 0 ? FALL : HANG_OVER;
    this.strength = (before + ((steady - before) * lasted) / time) | 0;
    this.lastSound = clock;
    return true;
  }

  /** The strength now: full within a word, then fading to nothing at {@link HANG_OVER} of silence. */
  strengthAt(clock: number): number {
    const pause = (clock - this.lastSound) >>> 0;
    if (pause <= WITHIN_WORD) return this.strength;
    return pause >= HANG_OVER ? 0 : ((this.strength * (HANG_OVER - pause)) / (HANG_OVER - WITHIN_WORD)) | 0;
  }

  /** The source is muted: whoever comes back is as strong as a newcomer. */
  restart(): void {
    this.volume = 0;
    this.volumeBefore = 0;
    this.score = 0;
    this.strength = 0;
    this.interrupted = false;
  }

  private start(clock: number): void {
    this.started = true;
    this.lastPacket = (clock - OPUS_FRAME_TICKS) | 0;
    this.lastSound = clock;
    this.stretchBegan = clock;
  }

  /** The volume, or 0 if it is noise. A volume that never changes becomes noise after 15 s, however loud it is. */
  private aboveNoise(volume: number, clock: number): number {
    if (volume < this.stretchLeast) this.stretchLeast = volume;
    if (volume < this.floor) this.floor = Math.max(volume, LEAST_FLOOR);
    // Unsigned: after half a day without a packet the signed difference would be negative for as long again.
    if ((clock - this.stretchBegan) >>> 0 >= STRETCH_TICKS) this.endStretch(clock);
    return volume >= this.floor + ABOVE_FLOOR ? volume : 0;
  }

  private endStretch(clock: number): void {
    this.least[this.stretch] = this.stretchLeast;
    this.stretch = (this.stretch + 1) % STRETCHES;
    this.stretchLeast = MAX_VOLUME;
    this.stretchBegan = clock;
    let floor = MAX_VOLUME;
    for (let i = 0; i < STRETCHES; i++) floor = Math.min(floor, this.least[i]!);
    this.floor = Math.max(floor, LEAST_FLOOR);
  }
}
