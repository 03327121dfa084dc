/** Checks every packet to a listener where the native library would get it. */
import type { Receiver } from '../../src/main/media/egress.ts';
import { MAX_PACKET_BYTES, SENT_HEADER_BYTES } from '../../src/rtp/packet.ts';
import { sequenceDistance } from '../../src/rtp/sequence.ts';
import { SILENCE_FRAME } from '../../src/workers/fades.ts';

/** Version 2, no padding, no extension, one CSRC. */
const FIRST_BYTE = 0x81;
/** Largest steps of sequence numbers forward and back: the limits of `sequence.ts`. */
const MAX_FORWARD = 256;
const WINDOW = 512;

/** A participant that has, or had, a speaker number. */
export interface Speaker {
  readonly conversation: number;
  readonly user: number;
  /** Connection id. */
  readonly connection: number;
}

/** Counts the packets of all listeners, and keeps the first failure. */
export class OutputCheck {
  failure: string | null = null;
  /** Whether a full ring may leave holes. */
  holes = false;
  /** Packets and frames of silence that the listeners received. */
  packets = 0;
  silence = 0;
  /** By speaker number. */
  readonly speakers = new Map<number, Speaker>();

  /** @throws Error with the first failure, if there is one. */
  throwIfFailed(): void {
    if (this.failure !== null) throw new Error(this.failure);
  }
}

/** The numbers of one outgoing SSRC. */
class Stream {
  private started = false;
  private newest = 0;
  private timestamp = 0;
  /** One bit for each sequence number that was sent less than 32,768 numbers ago. */
  private readonly seen = new Int32Array(2048);

  /** Takes the next packet's numbers. @returns what is wrong with them, or null. */
  take(sequence: number, timestamp: number, holes: boolean): string | null {
    const ahead = this.started ? sequenceDistance(sequence, this.newest) : 1;
    if (ahead > 0) {
      if (ahead > MAX_FORWARD && !holes) return `sequence number ${ahead} after the one before`;
      const back = (timestamp - this.timestamp) | 0;
      if (this.started && back < 0) return `timestamp ${-back} before that of the packet before`;
      if (!this.started) this.newest = (sequence - 1) & 0xffff;
      for (let i = 0; i < ahead; i++) this.clear(this.newest + 1 + i);
      this.started = true;
      this.newest = sequence;
      this.timestamp = timestamp;
    } else if (ahead <= -WINDOW) return `sequence number ${-ahead} behind the newest`;
    const bit = 1 << (sequence & 31);
    if ((this.seen[sequence >> 5]! & bit) !== 0) return `sequence number ${sequence} twice`;
    this.seen[sequence >> 5]! |= bit;
    return null;
  }

  private clear(sequence: number): void {
    this.seen[(sequence & 0xffff) >> 5]! &= ~(1 << (sequence & 31));
  }
}

/** A listener that checks what it receives. */
export class Listener implements Receiver {
  readonly id: number;
  readonly user: number;
  /** Its conversation, until the worker has released it; 0 for none. */
  conversation = 0;
  deafened = false;
  private readonly output: OutputCheck;
  private readonly payloadTypes: readonly number[];
  private readonly streams: ReadonlyMap<number, Stream>;
  /** Further checks of a packet, with the speaker number and the payload. */
  private readonly look: (listener: Listener, number: number, payload: Uint8Array) => string | null;

  /** @param ssrcs of its slots, signed. @param payloadTypes of Opus and RED. */
  constructor(
    id: number,
    user: number,
    ssrcs: readonly number[],
    payloadTypes: readonly number[],
    output: OutputCheck,
    look: (listener: Listener, number: number, payload: Uint8Array) => string | null = () => null,
  ) {
    this.id = id;
    this.user = user;
    this.output = output;
    this.payloadTypes = payloadTypes;
    this.streams = new Map(ssrcs.map((ssrc) => [ssrc, new Stream()]));
    this.look = look;
  }

  send(packet: Uint8Array): boolean {
    const wrong = this.check(packet);
    if (wrong !== null && this.output.failure === null) {
      this.output.failure = `${wrong}, for ${this.id}: ${Buffer.from(packet).toString('hex')}`;
    }
    return true;
  }

  private check(packet: Uint8Array): string | null {
    const { output } = this;
    if (packet.length <= SENT_HEADER_BYTES || packet.length > MAX_PACKET_BYTES) return `${packet.length} bytes`;
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    if (view.getUint8(0) !== FIRST_BYTE) return 'not the header that is sent';
    const payloadType = view.getUint8(1) & 0x7f;
    if (!this.payloadTypes.includes(payloadType)) return `payload type ${payloadType}`;
    const stream = this.streams.get(view.getInt32(8));
    if (stream === undefined) return 'an SSRC that is none of its slots';
    const numbers = stream.take(view.getUint16(2), view.getInt32(4), output.holes);
    if (numbers !== null) return numbers;
    const number = view.getInt32(12);
    const speaker = output.speakers.get(number);
    if (speaker === undefined) return `no participant ever had the number ${number}`;
    if (speaker.conversation !== this.conversation) return `from conversation ${speaker.conversation}`;
    if (speaker.user === this.user) return 'from its own user';
    const payload = packet.subarray(SENT_HEADER_BYTES);
    if (isSilence(payload)) {
      output.silence++;
      return null;
    }
    output.packets++;
    return this.look(this, number, payload);
  }
}

function isSilence(payload: Uint8Array): boolean {
  return payload.length === SILENCE_FRAME.length && payload.every((byte, i) => byte === SILENCE_FRAME[i]);
}
