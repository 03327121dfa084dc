/**
 * Silence for slots whose speaker stopped on purpose: a receiver whose packets just end sticks to the last sound or fades
 * it as if it were lost, which is heard as a click or a drone.
 *
 * Frames go at the pace of sound, so that a new speaker finds the slot's time where the clock is.
 */
import { OPUS_FRAME_TICKS } from '../rtp/packet.ts';

/** Frames of silence that end a slot's sound. */
const FRAMES = 5;
/** An Opus packet of 20 ms of silence (RFC 6716, section 3.1: CELT, fullband, stereo; nothing coded). */
export const SILENCE_FRAME = Uint8Array.of(0xf8, 0xff, 0xfe);

interface Fade {
  /** The speaker who stopped; receivers go on seeing who was in the slot. */
  readonly speaker: number;
  left: number;
  /** Clock from which on the next frame may go, ticks. */
  due: number;
}

/** The fading slots of one worker, by their row. */
export class Fades {
  private readonly fades = new Map<number, Fade>();
  private readonly send: (row: number, speaker: number) => boolean;

  /**
   * @param send sends one frame on the slot of a row, in the name of a speaker; tells false, and sends nothing, if the
   *   slot carries somebody else already.
   */
  constructor(send: (row: number, speaker: number) => boolean) {
    this.send = send;
  }

  /** Whether {@link run} has something to do in the next 20 ms. */
  get pending(): boolean {
    return this.fades.size > 0;
  }

  /** A slot's speaker stopped. @param clock ticks. */
  begin(row: number, speaker: number, clock: number): void {
    this.fades.set(row, { speaker, left: FRAMES, due: (clock + OPUS_FRAME_TICKS) | 0 });
  }

  /** Whose sound a slot is being ended after; 0 for nobody's. */
  speakerOf(row: number): number {
    return this.fades.get(row)?.speaker ?? 0;
  }

  /** The slot has somebody again who speaks. */
  end(row: number): void {
    this.fades.delete(row);
  }

  /**
   * The slot leaves this worker: a single frame goes at once, for more would run ahead of the clock.
   *
   * @param speaker 0 if nobody had it.
   */
  close(row: number, speaker: number): void {
    this.fades.delete(row);
    if (speaker !== 0) this.send(row, speaker);
  }

  /** Sends the frames that are due. @returns whether there were any. */
  run(clock: number): boolean {
    let sent = false;
    for (const [row, fade] of this.fades) {
      if (((clock - fade.due) | 0) < 0) continue;
      const going = this.send(row, fade.speaker);
      sent ||= going;
      fade.due = (fade.due + OPUS_FRAME_TICKS) | 0;
      if (!going || --fade.left === 0) this.fades.delete(row);
    }
    return sent;
  }
}
