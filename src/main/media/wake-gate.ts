/** Tells which packets are worth waking a worker for: those of sources that somebody hears, or may hear next. */
import { readLevel } from '../../rtp/audio-level.ts';
import { QUIETEST_SOUND } from '../../rtp/loudness.ts';
import { Header, RtpHeader, readHeader } from '../../rtp/packet.ts';
import { connectionIndex, type Publication, SOURCE_WORDS, SourceWord, Wakes } from '../../workers/protocol.ts';

export class WakeGate {
  private readonly sources: Int32Array;
  private readonly header = new RtpHeader();

  /** @param sources the source table, in which the workers keep what they wait for. */
  constructor(sources: Int32Array) {
    this.sources = sources;
  }

  /** Returns whether a packet has to wake the worker of its source. Never throws, whatever the bytes. */
  wakes(id: number, publication: Publication | null, packet: Uint8Array): boolean {
    switch (this.sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Wakes]) {
      case Wakes.None:
        return false;
      case Wakes.Sound:
        return publication === null || this.mayHoldSound(packet, publication.levelExtension);
      default:
        return true;
    }
  }

  /** Whether the worker could take a packet for sound. Without a level it could. */
  private mayHoldSound(packet: Uint8Array, levelExtension: number): boolean {
    const { header } = this;
    const verdict = readHeader(packet, 0, packet.length, header);
    return verdict === Header.Ok && readLevel(packet, header, levelExtension) <= QUIETEST_SOUND;
  }
}
