/** Takes packets all the way through a worker, without its thread: from one ring, through all checks, to the other. */
import { openSlot, SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { BurstReader, DELIVERY_WORDS } from '../../src/workers/burst.ts';
import { Forwarder } from '../../src/workers/forwarder.ts';
import { layoutShard, SOURCE_WORDS } from '../../src/workers/protocol.ts';
import { NONE, RingReader, RingWriter } from '../../src/workers/ring.ts';
import { assertWork, type Case } from './case.ts';
import { LEVEL_ID, LEVEL_OFFSET, RED_PAYLOAD_TYPE, redPacket, spokenLevel, voicePackets } from './packets.ts';

const SPEAKERS = 3;
const PAYLOAD_BYTES = 100;
const RED_BYTES = 2 * PAYLOAD_BYTES + 5;
const TICKS_PER_PACKET = 960;

/** A conversation in which {@link SPEAKERS} people talk and `slots` slots carry them. */
export class StepRoom {
  readonly outgoing: number;
  private readonly ingress: RingWriter;
  private readonly incoming: RingReader;
  private readonly egress: RingWriter;
  private readonly sent: RingReader;
  private readonly bursts: BurstReader;
  private readonly forwarder: Forwarder;
  private readonly voices: Uint8Array[];
  private readonly views: DataView[];
  private round = 0;

  /**
   * @param slots of all listeners together. Each listener has three; the last may have fewer.
   * @param red whether the speakers send RED (RFC 2198), which every second listener knows.
   */
  constructor(slots: number, red = false) {
    const shard = layoutShard(1 << 20, 1 << 22);
    const listeners = Math.ceil(slots / SPEAKERS);
    const table = new SharedArrayBuffer((listeners + SPEAKERS) * SPEAKERS * SLOT_WORDS * 4);
    const sources = new SharedArrayBuffer((listeners + SPEAKERS) * SOURCE_WORDS * 4);
    const words = new Int32Array(table);
    this.ingress = new RingWriter(shard.ingress);
    this.incoming = new RingReader(shard.ingress);
    this.egress = new RingWriter(shard.egress);
    this.sent = new RingReader(shard.egress);
    this.bursts = new BurstReader(this.sent);
    this.forwarder = new Forwarder(shard, this.egress, { slots: table, slotsPerConnection: SPEAKERS, sources });
    this.voices = Array.from({ length: SPEAKERS }, (_, i) =>
      red ? redPacket(PAYLOAD_BYTES, 1000 + i) : voicePackets(1, PAYLOAD_BYTES, 1000 + i)[0]!,
    );
    this.views = this.voices.map((packet) => new DataView(packet.buffer));
    for (let id = 0; id < listeners + SPEAKERS; id++) {
      const speaks = id < SPEAKERS;
      const count = speaks ? 0 : Math.min(SPEAKERS, slots - (id - SPEAKERS) * SPEAKERS);
      const redPayloadType = red && (speaks || id % 2 === 0) ? RED_PAYLOAD_TYPE : 0;
      for (let i = 0; i < count; i++) {
        openSlot(words, (id * SPEAKERS + i) * SLOT_WORDS, id * 10 + i, 111, id, 0, 0, redPayloadType);
      }
      const publication = speaks
        ? { payloadType: 111, redPayloadType, levelExtension: LEVEL_ID, ssrcs: [1000 + id] }
        : null;
      this.forwarder.join({
        type: 'join',
        connection: id,
        conversation: 1,
        user: id,
        number: id,
        publication,
        slots: count,
        muted: false,
        deafened: false,
      });
    }
    this.outgoing = slots;
  }

  /** Takes one packet of each speaker through the worker. @returns how many packets left. */
  step(): number {
    this.round++;
    for (let i = 0; i < SPEAKERS; i++) {
      this.views[i]!.setUint16(2, this.round & 0xffff);
      this.voices[i]![LEVEL_OFFSET] = 0x80 | spokenLevel(this.round, i);
      this.views[i]!.setUint32(4, (this.round * TICKS_PER_PACKET) >>> 0);
      this.ingress.push(i, this.voices[i]!, this.round);
    }
    const clock = (this.round * TICKS_PER_PACKET) | 0;
    this.forwarder.tick(clock, 0);
    for (let at = this.incoming.next(); at !== NONE; at = this.incoming.next()) {
      this.forwarder.forward(at, this.incoming.length, this.incoming.id, this.incoming.stamp, clock);
      this.egress.publish();
    }
    this.incoming.release();
    const { bursts } = this;
    let left = 0;
    while (bursts.next()) {
      for (let i = 0; i < bursts.deliveries; i++) {
        bursts.read(bursts.firstDelivery + i * DELIVERY_WORDS);
        if (bursts.payloadLength === (bursts.payloadType === RED_PAYLOAD_TYPE ? RED_BYTES : PAYLOAD_BYTES)) left++;
      }
    }
    this.sent.release();
    return left;
  }
}

/** Returns the case that fans packets out to this many slots and reads the result. */
export function stepCase(slots: number, red = false): Case {
  const room = new StepRoom(slots, red);
  const rounds = Math.max(1, Math.ceil(3000 / slots));
  return {
    name: `whole worker step, ${slots} slots${red ? ', RED' : ''}`,
    unit: 'outgoing packet',
    operations: rounds * slots,
    run() {
      let left = 0;
      for (let i = 0; i < rounds; i++) left += room.step();
      assertWork(left === rounds * slots, `${left} of ${rounds * slots} packets left`);
    },
  };
}
