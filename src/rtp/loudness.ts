/**
 * How much a source deserves to be heard, judged by the audio levels (RFC 6464) of its packets.
 *
 * A packet counts with its volume if that stands out from the source's own noise, and as zero otherwise (the score of
 * Jitsi's speaker ranking). Two figures follow from it. The score follows within two packets and tells who is talking
 * now. The strength takes some hundred milliseconds to gain and about a second without sound to lose, so that a clap
 * does not win a slot and a breath does not lose one.
 *
 * Volumes are 127 minus the level: 0 is digital silence, 127 the loudest. Score and strength are 256 times that. All of
 * them are integers, so that no packet allocates anything.
 */
import { NO_LEVEL } from './audio-level.ts';
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** One unit of volume in scores and strengths. */
export const VOLUME_UNIT = 256;
/** How long a source counts as speaking after its last sound, ticks, so that nobody is cut off between words. */
export const HANG_OVER = OPUS_CLOCK_RATE;

const MAX_VOLUME = 127;
/** How far above the noise floor a volume must be to count as sound, and the lowest the floor can be. */
const ABOVE_FLOOR = 10;
const LEAST_FLOOR = 47;
/** The noise floor is the lowest volume of this many stretches of this many ticks: 15 s. */
const STRETCHES = 3;
const STRETCH_TICKS = 5 * OPUS_CLOCK_RATE;
/** The quietest level, in -dBov, that can count as sound, however quiet the source was before. */
export const QUIETEST_SOUND = MAX_VOLUME - LEAST_FLOOR - ABOVE_FLOOR;
/** The volume of a packet without a level: below the voice of anybody whose client states a level. */
const UNKNOWN_VOLUME = 60;
/** Time constants of the strength, ticks: for rising, and for falling while there is sound. */
const RISE = 0.1 * OPUS_CLOCK_RATE;
const FALL = 0.3 * OPUS_CLOCK_RATE;
/** Longest gap within a word, ticks. */
const WITHIN_WORD = 0.12 * OPUS_CLOCK_RATE;
/** Longest time that one packet counts for, ticks. */
const MAX_PACKET_TICKS = 3 * OPUS_FRAME_TICKS;

export class Loudness {
  /** Volume of the last packet, 0 … 127; 0 if it was noise. */
  volume = 0;
  private volumeBefore = 0;
  /** Follows the volume within two packets. */
  score = 0;
  /** Clock of the last packet with sound, ticks modulo 2^32. */
  lastSound = 0;
  /** Set by the ranking when the source was passed in a pause: on the next sound its old strength is restored. */
  interrupted = false;
  /** The strength at the last sound; it takes some hundred milliseconds to gain. */
  strength = 0;
  private lastPacket = 0;
  private started = false;
  private floor = LEAST_FLOOR;
  /** Lowest volumes of the past stretches, and of the current one. */
  private readonly least = new Int32Array(STRETCHES).fill(LEAST_FLOOR);
  private stretch = 0;
  private stretchLeast = MAX_VOLUME;
  private stretchBegan = 0;

  /**
   * Takes the level of the next packet.
   *
   * @param level 0 (loudest) … 127 (silence), or `NO_LEVEL`.
   * @param silent whether the packet cannot hold sound, whatever its level says: comfort noise.
   * @param clock now, ticks modulo 2^32.
   * @returns whether the packet holds sound.
   */
  hear(level: number, silent: boolean, clock: number): boolean {
    if (!this.started) this.start(clock);
    const volume = silent ? 0 : level === NO_LEVEL ? UNKNOWN_VOLUME : this.aboveNoise(MAX_VOLUME - level, clock);
    // The strength follows the softest of three packets in a row: that hardly affects a voice, but random levels lose.
    const steady = Math.min(volume, this.volume, this.volumeBefore) * VOLUME_UNIT;
    this.volumeBefore = this.volume;
    this.volume = volume;
    this.score = (this.score + volume * VOLUME_UNIT) >> 1;
    // Measured by the clock, not by the packet: sending more packets than others does not make a source louder.
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

  /** Returns the strength now: full within a word, then fading to zero after {@link HANG_OVER} without sound. */
  strengthAt(clock: number): number {
    const pause = (clock - this.lastSound) >>> 0;
    if (pause <= WITHIN_WORD) return this.strength;
    return pause >= HANG_OVER ? 0 : ((this.strength * (HANG_OVER - pause)) / (HANG_OVER - WITHIN_WORD)) | 0;
  }

  /** Makes the source as strong as a newcomer, because it was muted. */
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

  /** Returns the volume, or 0 for noise. A volume that never changes becomes noise after 15 s, however loud it is. */
  private aboveNoise(volume: number, clock: number): number {
    if (volume < this.stretchLeast) this.stretchLeast = volume;
    if (volume < this.floor) this.floor = Math.max(volume, LEAST_FLOOR);
    // Unsigned, because after half a day without a packet the signed difference would be negative for as long again.
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
