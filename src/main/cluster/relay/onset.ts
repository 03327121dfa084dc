/**
 * Tells from a source's packets alone that it begins to sound. The worker's order says it too, but up to 150 ms later,
 * and a newcomer's first syllable must not wait for that. Levels are judged as the worker judges them.
 */
import { LevelHistory, readLevel } from '../../../rtp/audio-level.ts';
import { HANG_OVER, Loudness } from '../../../rtp/loudness.ts';
import { isSilent } from '../../../rtp/opus.ts';
import { Header, OPUS_CLOCK_RATE, RtpHeader, readHeader } from '../../../rtp/packet.ts';
import { Red, RedPayload, readRed } from '../../../rtp/red.ts';
import type { Publication } from '../../../workers/protocol.ts';

/** For how long a source counts as one that begins, ticks: the worker's order has come back by then. */
const BEGINS = 0.2 * OPUS_CLOCK_RATE;
const TICKS_PER_US = OPUS_CLOCK_RATE / 1e6;
const header = new RtpHeader();
const red = new RedPayload();

export class Onset {
  private readonly publication: Publication;
  private readonly levels = new LevelHistory();
  private readonly loudness = new Loudness();
  /** Time by the stamps, without their wraparound, microseconds. */
  private time = 0;
  private lastStamp: number;
  /** When it last sounded, and when that began; ticks. */
  private lastSound = 0;
  private began = 0;
  private sounded = false;

  /** @param stamp of its first packet. */
  constructor(publication: Publication, stamp: number) {
    this.publication = publication;
    this.lastStamp = stamp;
  }

  /**
   * Takes each packet of the source.
   *
   * @param stamp its arrival, of `toStamp`.
   * @returns whether it began to sound less than 200 ms ago, after a second of silence. Never throws.
   */
  take(bytes: Uint8Array, stamp: number): boolean {
    this.time += (stamp - this.lastStamp) >>> 0;
    this.lastStamp = stamp;
    const clock = Math.floor(this.time * TICKS_PER_US) | 0;
    if (this.sounds(bytes, clock)) {
      if (!this.sounded || (clock - this.lastSound) >>> 0 > HANG_OVER) this.began = clock;
      this.sounded = true;
      this.lastSound = clock;
    }
    return this.sounded && (clock - this.began) >>> 0 < BEGINS;
  }

  /** Its place in the order is gone: the next sound is a beginning, as it is for the worker. */
  restart(): void {
    this.sounded = false;
  }

  private sounds(bytes: Uint8Array, clock: number): boolean {
    const { payloadType, redPayloadType, levelExtension } = this.publication;
    if (readHeader(bytes, 0, bytes.length, header) !== Header.Ok) return false;
    let { payloadOffset: offset, payloadLength: length } = header;
    if (redPayloadType !== 0 && header.payloadType === redPayloadType) {
      if (readRed(bytes, offset, length, payloadType, red) !== Red.Ok) return false;
      offset = red.primaryOffset;
      length = red.primaryLength;
    } else if (header.payloadType !== payloadType) return false;
    const level = this.levels.judge(readLevel(bytes, header, levelExtension), length, clock);
    return this.loudness.hear(level, isSilent(bytes, offset, length), clock);
  }
}
