/** RTCP of hostile clients through main's reader, and the reports that main then sends to others. */
import { RtcpPacketConverter } from 'werift-rtp';
import { readCompound, reportBlock, writeCompound } from '../../src/main/rtcp/packets.ts';
import { type Reported, RtcpState } from '../../src/main/rtcp/reported.ts';
import { Rtcp } from '../../src/main/rtcp/rtcp.ts';
import { NO_TELEMETRY } from '../../src/main/telemetry.ts';
import { recordArrival } from '../../src/rtp/reception.ts';
import { openSlot, renumber, SLOT_WORDS, Slot } from '../../src/rtp/rewriter.ts';
import { Arrival } from '../../src/rtp/sequence.ts';
import { milliseconds, toTicks } from '../../src/workers/clock.ts';
import { SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';
import { slotPacket } from '../support/packets.ts';
import { below, type Random } from '../support/prng.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateBytes } from './wire.ts';

const PACKETS_A_CASE = 2000;
const PEOPLE = 8;
const SLOTS = 4;
/** Packets that one client may send in a second: see `rtcp.ts`. */
const ADMITTED = 20;
const MAX_BYTES = 1600;
const TYPES = [192, 200, 201, 202, 203, 204, 205, 206, 207, 223];
const EXTREMES = [0, 1, -1, 0x7fff_ffff, -0x8000_0000];

type Person = Reported & { rtcp: RtcpState };

/** A conversation in which everybody publishes and listens. */
class Conversation {
  private readonly rtcp: Rtcp;
  private readonly people: Person[];
  private readonly slots = new Int32Array(PEOPLE * SLOTS * SLOT_WORDS);
  private readonly sources = new Int32Array(PEOPLE * SOURCE_WORDS);
  private readonly buffer = Buffer.alloc(MAX_BYTES + 64);
  private readonly random: Random;
  private now = 1000;
  private sequence = 0;
  private packets = 0;

  constructor(random: Random) {
    this.random = random;
    const host = { participants: new Map<number, Reported>() };
    this.people = Array.from({ length: PEOPLE }, (_, id) => ({
      id,
      index: id,
      user: id,
      claim: { userid: String(id), clientid: 'client' },
      publication: { payloadType: 111, levelExtension: 0, redPayloadType: 0, ssrcs: [] },
      slotCount: below(random, SLOTS + 1),
      packetsReceived: 0,
      muted: false,
      deafened: false,
      established: true,
      seat: { current: host },
      rtcp: new RtcpState(),
      send: (packet: Uint8Array) => this.sent(packet),
    }));
    this.rtcp = new Rtcp({
      receivers: this.people,
      slots: this.slots,
      slotsPerConnection: SLOTS,
      sources: this.sources,
      telemetry: NO_TELEMETRY,
    });
    for (const person of this.people) {
      host.participants.set(person.id + 1, person);
      for (let i = 0; i < SLOTS; i++) {
        const row = (person.id * SLOTS + i) * SLOT_WORDS;
        openSlot(this.slots, row, random() | 0, 111, person.id, below(random, 65_536), random() | 0);
      }
    }
  }

  run(outcomes: Counters): void {
    const { random, rtcp } = this;
    for (let i = 0; i < PACKETS_A_CASE; i++) {
      if (oneIn(random, 10)) this.talk();
      if (oneIn(random, 50)) {
        this.now += below(random, 500);
        rtcp.tick(this.now);
      }
      const person = pick(random, this.people);
      if (++this.packets % (ADMITTED * PEOPLE) === 0)
        for (const one of this.people) one.rtcp = Object.assign(new RtcpState(), { dueAt: one.rtcp.dueAt });
      rtcp.receive(person, this.next(person));
      this.check(person);
    }
    const { received, malformed, flooded, ignored } = rtcp.counts;
    insist(received === PACKETS_A_CASE, () => `${received} of ${PACKETS_A_CASE} counted`);
    outcomes.add('read', received - malformed - flooded);
    outcomes.add('malformed', malformed);
    outcomes.add('flooded', flooded);
    outcomes.add('of no use', ignored);
    outcomes.add('reports sent', rtcp.counts.sent);
  }

  /** Lets packets arrive and leave, so that there is something to report. */
  private talk(): void {
    const { random, slots, sources } = this;
    const clock = toTicks(milliseconds());
    const speaker = below(random, PEOPLE);
    for (let i = 1 + below(random, 60); i > 0; i--) {
      const number = this.sequence++ & 0xffff;
      const row = speaker * SOURCE_WORDS + SourceWord.Reception;
      recordArrival(
        sources,
        row,
        oneIn(random, 50) ? Arrival.Restart : Arrival.Advance,
        number,
        number * 960,
        5,
        random() | 0,
      );
      for (let slot = below(random, 4); slot < PEOPLE * SLOTS; slot += 4) {
        slots[slot * SLOT_WORDS + Slot.Speaker] = speaker + 1;
        const numbers = { source: speaker + 1, index: this.sequence, timestamp: number * 960, octets: 100, clock };
        renumber(slots, slot * SLOT_WORDS, slotPacket(numbers));
      }
    }
  }

  /** Returns a mostly valid report after mutations, or a chain of arbitrary packets. */
  private next(person: Person): Uint8Array {
    const { random, buffer } = this;
    let length = 0;
    if (random() % 2 === 0) {
      const row = (person.index * SLOTS + below(random, SLOTS)) * SLOT_WORDS;
      const value = (otherwise: number): number =>
        (oneIn(random, 4) ? pick(random, [...EXTREMES, random() | 0]) : otherwise) >>> 0;
      const block = reportBlock({
        ssrc: value(this.slots[row + Slot.Ssrc]!),
        fractionLost: random() & 0xff,
        packetsLost: value(3) | 0,
        highestSequence: value(this.slots[row + Slot.LastSequence]!),
        jitter: value(100),
        lsr: value(0),
        dlsr: value(0),
      });
      const reports = Array.from({ length: below(random, 3) }, () => ({
        ssrc: random(),
        timestamp: random(),
        packets: random(),
        octets: random(),
      }));
      length = writeCompound(random(), reports, block, 1e12 + random()).copy(buffer);
    } else {
      for (let chain = 1 + below(random, 5); chain > 0; chain--) {
        const words = below(random, 40);
        buffer[length] = 0x80 | (oneIn(random, 4) ? 0x20 : 0) | below(random, 32);
        buffer[length + 1] = pick(random, TYPES);
        buffer.writeUInt16BE(oneIn(random, 16) ? random() & 0xffff : words, length + 2);
        for (let i = 1; i <= words; i++) buffer.writeUInt32BE(random(), length + i * 4);
        length += 4 + words * 4;
      }
    }
    if (oneIn(random, 3)) length = mutateBytes(random, buffer, length, MAX_BYTES);
    return buffer.subarray(0, oneIn(random, 200) ? 0 : length);
  }

  private check({ rtcp }: Person): void {
    const { uplink, downlink, rttMs } = rtcp.quality;
    for (const direction of [uplink, downlink]) {
      if (direction === null) continue;
      const { loss, jitterMs } = direction;
      insist(loss >= 0 && loss <= 1 && jitterMs >= 0, () => `loss ${loss}, jitter ${jitterMs}`);
    }
    insist(rttMs === null || (rttMs >= 0 && rttMs <= 10_000), () => `a round trip of ${rttMs} ms`);
  }

  /** Checks that an independent implementation can read the RTCP sent. */
  private sent(packet: Uint8Array): boolean {
    const read = readCompound(packet);
    insist(read !== null && read.ignored === 0, () => `sent ${Buffer.from(packet).toString('hex')}`);
    insist(RtcpPacketConverter.deSerialize(Buffer.from(packet)).length > 0, () => 'not RTCP');
    return true;
  }
}

export const rtcp: FuzzTarget = {
  name: 'rtcp',
  unit: 'packets',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      run(random, outcomes) {
        new Conversation(random).run(outcomes);
        return PACKETS_A_CASE;
      },
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
