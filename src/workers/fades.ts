/**
 * Frames of silence for slots whose speaker stopped on purpose. A receiver whose packets just end repeats the last
 * sound or fades it as if packets were lost, and people hear a click or a drone.
 *
 * The frames are sent at the pace of sound, so that the slot's time has not run ahead of the clock when a new speaker
 * takes it.
 */
import { OPUS_FRAME_TICKS } from '../rtp/packet.ts';

/** How many frames of silence end a slot's sound. */
const FRAMES = 5;
/** An Opus packet of 20 ms of silence (RFC 6716, section 3.1): CELT, fullband, stereo, nothing coded. */
export const SILENCE_FRAME = Uint8Array.of(0xf8, 0xff, 0xfe);

interface Fade {
  /** The speaker who stopped; receivers still see that number with the frames. */
  readonly speaker: number;
  left: number;
  /** When the next frame may be sent, ticks. */
  due: number;
}

/** The slots of one worker whose sound is being ended, by row. */
export class Fades {
  private readonly fades = new Map<number, Fade>();
  private readonly send: (row: number, speaker: number) => boolean;

  /**
   * @param send sends one frame on the slot of a row, in the name of a speaker. If the slot already carries somebody
   *   else, it sends nothing and returns false.
   */
  constructor(send: (row: number, speaker: number) => boolean) {
    this.send = send;
  }

  /** Whether {@link run} will have something to do in the next 20 ms. */
  get pending(): boolean {
    return this.fades.size > 0;
  }

  /** Begins to end a slot's sound, because its speaker stopped. @param clock now, ticks. */
  begin(row: number, speaker: number, clock: number): void {
    this.fades.set(row, { speaker, left: FRAMES, due: (clock + OPUS_FRAME_TICKS) | 0 });
  }

  /** Returns the speaker whose sound is being ended in a slot; 0 for nobody. */
  speakerOf(row: number): number {
    return this.fades.get(row)?.speaker ?? 0;
  }

  /** Stops the frames, because the slot has somebody who speaks again. */
  end(row: number): void {
    this.fades.delete(row);
  }

  /**
   * Ends the sound of a slot that leaves this worker. It sends a single frame at once; more would run ahead of the
   * clock.
   *
   * @param speaker the one who had the slot, 0 for nobody.
   */
  close(row: number, speaker: number): void {
    this.fades.delete(row);
    if (speaker !== 0) this.send(row, speaker);
  }

  /** Sends the frames that are due. @returns whether it sent any. */
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
