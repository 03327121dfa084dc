/** The reports' timetable and bookkeeping, without a network: connections that note down what they are sent. */
import { equal, is, ok } from 'uvu/assert';
import { RtcpPacketConverter, type RtcpReceiverInfo, RtcpRrPacket, type RtcpSrPacket } from 'werift-rtp';
import { middleOf, reportBlock, writeCompound } from '../../../src/main/rtcp/packets.ts';
import { RelayedLoss, type RelayedSource } from '../../../src/main/rtcp/relayed-loss.ts';
import { type Reported, RtcpState } from '../../../src/main/rtcp/reported.ts';
import { Rtcp, type RtcpParts } from '../../../src/main/rtcp/rtcp.ts';
import { NO_TELEMETRY } from '../../../src/main/telemetry.ts';
import { recordArrival } from '../../../src/rtp/reception.ts';
import { openSlot, renumber, SLOT_WORDS, Slot } from '../../../src/rtp/rewriter.ts';
import { SourceSequence } from '../../../src/rtp/sequence.ts';
import { milliseconds, toTicks } from '../../../src/workers/clock.ts';
import { connectionId, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { slotPacket } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rtcp');
const SLOTS = 20;
const TICK_MS = 50;

/** A conversation of connections, of which the first publishes. */
class Conversation {
  readonly rtcp: Rtcp;
  readonly people: (Reported & { packetsReceived: number; readonly sent: Buffer[]; at: number[] })[];
  readonly slots: Int32Array;
  readonly sources: Int32Array;
  readonly participants = new Map<number, Reported>();
  now = 1000;
  private readonly sequence = new SourceSequence();
  private number = 0;

  constructor(size: number, slotCount = 1, publisherSlots = 0, telemetry: RtcpParts['telemetry'] = NO_TELEMETRY) {
    this.slots = new Int32Array(size * SLOTS * SLOT_WORDS);
    this.sources = new Int32Array(size * SOURCE_WORDS);
    this.people = Array.from({ length: size }, (_, id) => {
      const sent: Buffer[] = [];
      const at: number[] = [];
      const send = (packet: Uint8Array): boolean => {
        sent.push(packet as Buffer);
        at.push(this.now);
        return true;
      };
      const publication =
        id === 0 ? { payloadType: 111, levelExtension: 0, redPayloadType: 0, ssrcs: [this.ssrcOf(0)] } : null;
      const claim = { userid: String(id), clientid: 'client' };
      const traits = {
        id,
        index: id,
        user: id,
        publication,
        slotCount: id === 0 ? publisherSlots : slotCount,
        packetsReceived: 0,
      };
      const state = { muted: false, deafened: false, established: true, seat: { current: this } };
      return { claim, ...traits, ...state, rtcp: new RtcpState(), sent, at, send };
    });
    this.participants.set(9, this.people[0]!);
    for (const { index } of this.people) {
      for (let i = 0; i < slotCount; i++) {
        openSlot(this.slots, (index * SLOTS + i) * SLOT_WORDS, 1000 * index + i + 1, 111, index, 10, 0);
      }
    }
    this.rtcp = new Rtcp({
      receivers: this.people,
      slots: this.slots,
      slotsPerConnection: SLOTS,
      sources: this.sources,
      telemetry,
    });
  }

  ssrcOf(publisher: number): number {
    return 500 + publisher;
  }

  /** The publisher sends packets, all of which reach all slots. */
  talk(count: number): void {
    const clock = toTicks(milliseconds());
    for (let i = 0; i < count; i++) {
      const number = this.number++;
      this.people[0]!.packetsReceived++;
      recordArrival(this.sources, SourceWord.Reception, this.sequence.take(number), number, number * 960, 500, 0);
      for (const { index, slotCount } of this.people) {
        for (let slot = 0; slot < slotCount; slot++) {
          const row = (index * SLOTS + slot) * SLOT_WORDS;
          this.slots[row + Slot.Speaker] = 9;
          const timestamp = number * 960;
          renumber(this.slots, row, slotPacket({ source: 1, index: number, timestamp, octets: 100, clock }));
        }
      }
    }
  }

  /** Lets time pass. */
  pass(milliseconds: number): void {
    for (const end = this.now + milliseconds; this.now < end; this.now += TICK_MS) this.rtcp.tick(this.now);
  }

  /** A listener says what it loses. */
  complain(listener: number, fractionLost: number, lsr = 0, dlsr = 0): void {
    const row = listener * SLOTS * SLOT_WORDS;
    const block = reportBlock({
      ssrc: this.slots[row + Slot.Ssrc]!,
      fractionLost,
      packetsLost: 0,
      highestSequence: this.slots[row + Slot.LastSequence]!,
      jitter: 0,
      lsr,
      dlsr,
    });
    this.rtcp.receive(this.people[listener]!, writeCompound(1, [], block, 0), this.now);
  }

  /** What the publisher was told last. */
  get told(): RtcpReceiverInfo {
    return (RtcpPacketConverter.deSerialize(this.people[0]!.sent.at(-1)!) as [RtcpRrPacket])[0].reports[0]!;
  }
}

test('whoever sends and receives nothing is sent no reports', () => {
  const conversation = new Conversation(3);
  conversation.pass(5000);
  is(conversation.rtcp.counts.sent, 0);
});

test('whose packets come is known, and when something came last, be it a report alone', () => {
  const conversation = new Conversation(2, 1, 1);
  const { rtcp } = conversation.people[0]!;
  /** Looks take place each one to two seconds. */
  const found = (publishing: boolean): void => {
    const latest = conversation.now + 2000 + TICK_MS;
    while (rtcp.publishing !== publishing && conversation.now < latest) conversation.pass(TICK_MS);
    is(rtcp.publishing, publishing);
  };
  equal([rtcp.publishing, rtcp.heardAt], [false, 0]);
  conversation.talk(10);
  found(true);
  is(rtcp.heardAt, conversation.now - TICK_MS);
  const last = rtcp.heardAt;
  found(false);
  is(rtcp.heardAt, last);
  conversation.complain(0, 0);
  equal([rtcp.publishing, rtcp.heardAt], [false, conversation.now]);
  conversation.talk(1);
  found(true);
});

test('each connection is reported to once in one to two seconds, not all at once', () => {
  const conversation = new Conversation(200);
  for (let second = 0; second < 20; second++) {
    conversation.talk(50);
    conversation.pass(1000);
  }
  const atOnce = new Map<number, number>();
  const pauses = new Set<number>();
  for (const { at } of conversation.people) {
    ok(at.length >= 9 && at.length <= 20, `${at.length} reports in 20 s`);
    for (let i = 1; i < at.length; i++) {
      const pause = at[i]! - at[i - 1]!;
      ok(pause >= 1000 && pause <= 2050, `${pause} ms from report to report`);
      pauses.add(pause);
    }
    for (const moment of at) atOnce.set(moment, (atOnce.get(moment) ?? 0) + 1);
  }
  ok(pauses.size > 10, 'no two fall into step');
  ok(Math.max(...atOnce.values()) < 40, `${Math.max(...atOnce.values())} of 200 at once`);
});

test('when very many are due, no tick takes long, and nobody is left out', () => {
  const conversation = new Conversation(2000);
  conversation.talk(50);
  conversation.pass(TICK_MS);
  const before = conversation.rtcp.counts.sent;
  conversation.now += 5000;
  conversation.talk(50);
  conversation.rtcp.tick(conversation.now);
  is(conversation.rtcp.counts.sent - before, 128);
  conversation.pass(1000);
  ok(conversation.people.every(({ sent }) => sent.length > 0));
});

test('a connection with more slots than a packet has room for gets several', () => {
  const conversation = new Conversation(2, SLOTS, SLOTS);
  conversation.talk(50);
  conversation.pass(1100);
  const packets = conversation.people[1]!.sent.map(
    (packet) => RtcpPacketConverter.deSerialize(packet).filter(({ type }) => type === 200) as RtcpSrPacket[],
  );
  equal(
    packets.slice(0, 2).map(({ length }) => length),
    [16, 4],
  );
  is(new Set(packets.slice(0, 2).flatMap((reports) => reports.map(({ ssrc }) => ssrc))).size, SLOTS);
  ok(conversation.people[1]!.sent.every(({ length }) => length < 1000));
  const blocks = conversation.people[0]!.sent.slice(0, 2).map(
    (packet) => (RtcpPacketConverter.deSerialize(packet)[0] as RtcpSrPacket).reports.length,
  );
  equal(blocks, [1, 0], 'the publication is reported on once');
});

test('the publisher is told of the worst of its listeners, until that one is better off', () => {
  const conversation = new Conversation(4);
  const after = (complaints: [number, number][]): number => {
    conversation.talk(50);
    for (const [listener, fraction] of complaints) conversation.complain(listener, fraction);
    conversation.pass(2100);
    return conversation.told.fractionLost;
  };
  is(after([]), 0);
  is(
    after([
      [1, 10],
      [2, 40],
      [3, 5],
    ]),
    40,
  );
  is(after([]), 40);
  is(after([[2, 3]]), 3);
  is(after([[1, 10]]), 10);
  is(conversation.told.packetsLost, 0);
});

test('who took turns in a slot is told of the loss there, less what the other lost on its own way', () => {
  const conversation = new Conversation(3);
  const [ann, bob] = conversation.people as unknown as [Reported, Reported];
  conversation.participants.set(8, bob);
  bob.rtcp.uplink.fraction = 30;
  conversation.talk(50);
  conversation.pass(2100);
  conversation.slots[2 * SLOTS * SLOT_WORDS + Slot.Speaker] = 8;
  conversation.complain(2, 40);
  is(ann.rtcp.worst.fraction(conversation.now), 10);
  is(bob.rtcp.worst.fraction(conversation.now), 40);
});

/** A source of another instance takes the publisher's slot at all listeners. */
function relayed(conversation: Conversation): RelayedSource & { seat: { current: object | null } } {
  const id = connectionId(500, 3);
  const source = { id, rtcp: new RelayedLoss(), seat: { current: conversation as object | null } };
  conversation.participants.set(9, source as unknown as Reported);
  conversation.rtcp.relay((asked) => (asked === id ? source : undefined));
  return source;
}

test("a listener's report counts for a source of another instance, as long as both are in the conversation", () => {
  const conversation = new Conversation(3);
  const source = relayed(conversation);
  const worst = (): number => conversation.rtcp.lossOf(source, conversation.now);
  conversation.talk(50);
  conversation.complain(1, 10);
  conversation.complain(2, 40);
  is(worst(), 40);
  const [, , listener] = conversation.people as unknown as { seat: Reported['seat'] }[];
  listener!.seat = { current: null };
  is(worst(), 0);
  conversation.talk(50);
  conversation.complain(1, 10);
  is(worst(), 10);
  source.seat.current = null;
  is(worst(), 0, 'the source has left');
});

test('the loss of a source on the way to its own instance explains that of others in its slot', () => {
  const conversation = new Conversation(3);
  const [ann] = conversation.people as unknown as [Reported];
  conversation.talk(50);
  conversation.pass(2100);
  const source = relayed(conversation);
  source.rtcp.uplink.fraction = 30;
  conversation.complain(2, 40);
  is(ann.rtcp.worst.fraction(conversation.now), 10);
  is(source.rtcp.worst.fraction(conversation.now), 40);
});

test('the publisher is told of a listener of another instance, until that instance says otherwise or nothing', () => {
  const conversation = new Conversation(2);
  const told = (fractions: readonly [number, number][]): number => {
    conversation.talk(50);
    for (const [instance, fraction] of fractions)
      conversation.rtcp.noteElsewhere(0, instance, fraction, conversation.now);
    conversation.pass(2100);
    return conversation.told.fractionLost;
  };
  is(told([[0, 30]]), 30);
  is(told([[7, 20]]), 30);
  is(told([[0, 5]]), 5);
  is(told([[7, 20]]), 20);
  conversation.complain(1, 10);
  is(told([]), 20);
  conversation.now += 8000;
  is(told([]), 0);
  conversation.rtcp.noteElsewhere(connectionId(0, 1), 0, 30, conversation.now);
  conversation.rtcp.noteElsewhere(99, 0, 30, conversation.now);
  is(told([]), 0, 'another connection, or none');
});

test('a speaker whose number does not fit 31 bits is told of its loss like any other', () => {
  const conversation = new Conversation(2);
  const publisher = conversation.people[0]!;
  conversation.participants.set(0xffff_0009, publisher);
  conversation.talk(50);
  conversation.slots[SLOTS * SLOT_WORDS + Slot.Speaker] = 0xffff_0009 | 0;
  conversation.participants.delete(9);
  conversation.complain(1, 40);
  is(publisher.rtcp.worst.fraction(conversation.now), 40);
});

test('a listener who leaves takes its complaint along', () => {
  const conversation = new Conversation(3);
  conversation.talk(50);
  conversation.complain(1, 40);
  (conversation.people[1] as { seat: Reported['seat'] }).seat = { current: null };
  conversation.pass(2100);
  is(conversation.told.fractionLost, 0);
});

test('a listener who has moved does not take the place of those who still listen', () => {
  const conversation = new Conversation(3);
  conversation.talk(50);
  conversation.complain(1, 20);
  conversation.complain(2, 10);
  conversation.talk(50);
  (conversation.people[2] as { seat: Reported['seat'] }).seat = {
    current: { participants: new Map<number, Reported>() },
  };
  conversation.complain(2, 40);
  conversation.pass(2100);
  is(conversation.told.fractionLost, 20);
});

test('who came to the place of a publisher that has gone is not told of its losses', () => {
  const conversation = new Conversation(2);
  conversation.talk(50);
  const gone = conversation.people[0]!;
  const next = { ...gone, id: connectionId(0, 1), rtcp: new RtcpState() };
  conversation.pass(2100);
  conversation.people[0] = next;
  conversation.complain(1, 40);
  is(next.rtcp.worst.fraction(conversation.now), 0);
});

test('the round trip is now without the time that the client held the report, if that can be', () => {
  const trips: number[] = [];
  const losses: string[] = [];
  const telemetry = { rtt: (ms: number) => trips.push(ms), loss: (way: string) => losses.push(way) };
  const conversation = new Conversation(2, 1, 0, telemetry as unknown as RtcpParts['telemetry']);
  conversation.talk(50);
  const ago = (ms: number): number => middleOf(performance.timeOrigin + conversation.now - ms);
  conversation.complain(1, 0, ago(1300), 65_536);
  is(trips.length, 1);
  ok(Math.abs(trips[0]! - 300) < 1, `${trips[0]} ms`);
  for (const lsr of [0, ago(-60_000), ago(20_000)]) conversation.complain(1, 0, lsr);
  conversation.complain(1, 0, 0, ago(300));
  is(trips.length, 1, 'no report yet, from the future, from long ago');
  conversation.complain(1, 0, ago(-0.4), 32);
  is(trips.at(-1), Math.max(0, trips.at(-1)!), 'never less than nothing');
  is(losses.length, 6);
  conversation.rtcp.receive(conversation.people[1]!, writeCompound(1, [], null, 0));
  is(losses.length, 6, 'of no slot nothing is said');
});

test('reports, and those that the library does not take, are counted', () => {
  const conversation = new Conversation(2, 1, 1);
  conversation.talk(50);
  conversation.slots[Slot.Packets] = 0;
  conversation.pass(2100);
  const { rtcp, people } = conversation;
  const sent = people.flatMap(({ sent: all }) => all);
  equal([rtcp.counts.sent, rtcp.sent.packets], [sent.length, sent.length]);
  is(
    rtcp.sent.bytes,
    sent.reduce((sum, { length }) => sum + length, 0),
  );
  const [report] = RtcpPacketConverter.deSerialize(people[0]!.sent[0]!) as [RtcpRrPacket];
  is(report.ssrc, conversation.slots[Slot.Ssrc], 'who has slots reports as the first of them');
  conversation.complain(1, 0);
  ok(rtcp.received.packets === 1 && rtcp.received.bytes > 30);
  for (const person of people) Object.assign(person, { send: () => false });
  conversation.talk(50);
  conversation.pass(2100);
  ok(rtcp.counts.failed >= 2 && rtcp.counts.sent === sent.length);
});

test("a complaint about an SSRC that is not the listener's is nobody's", () => {
  const conversation = new Conversation(3);
  conversation.talk(50);
  const block = reportBlock({
    ...conversation.people,
    ssrc: 2001,
    fractionLost: 40,
    packetsLost: 0,
    highestSequence: 59,
    jitter: 0,
    lsr: 0,
    dlsr: 0,
  });
  conversation.rtcp.receive(conversation.people[1]!, writeCompound(1, [], block, 0));
  conversation.pass(2100);
  is(conversation.told.fractionLost, 0);
  is(conversation.people[1]!.rtcp.quality.downlink, null);
});

test("a listener's reports are its quality", () => {
  const conversation = new Conversation(2);
  conversation.talk(50);
  conversation.complain(1, 64);
  const { quality } = conversation.people[1]!.rtcp;
  is(quality.downlink?.loss, 0.25);
  for (let i = 0; i < 15; i++) conversation.complain(1, 128);
  ok(quality.downlink!.loss > 0.48);
  equal(quality.summary()['rttMs'], undefined);
});

test('a flood is counted and not read, a malformed packet is counted', () => {
  const conversation = new Conversation(2);
  conversation.talk(50);
  for (let i = 0; i < 1000; i++) conversation.complain(1, 64);
  const { counts } = conversation.rtcp;
  is(counts.received, 1000);
  is(counts.flooded, 980);
  conversation.rtcp.receive(conversation.people[0]!, Buffer.from([0x80, 201, 0, 9]));
  is(counts.malformed, 1);
  conversation.rtcp.receive(conversation.people[0]!, Buffer.from([0x81, 203, 0, 1, 0, 0, 0, 7]));
  is(counts.ignored, 1);
});

test('of several slots the worst loss counts, in whatever order they are reported', () => {
  const losses: number[] = [];
  const telemetry = { rtt: () => undefined, loss: (_way: string, loss: number) => losses.push(loss) };
  const room = new Conversation(2, 3, 0, telemetry as unknown as RtcpParts['telemetry']);
  room.talk(50);
  const reports = [10, 64, 20].map((fractionLost, slot) =>
    reportBlock({
      ssrc: room.slots[(SLOTS + slot) * SLOT_WORDS + Slot.Ssrc]!,
      fractionLost,
      ...{ packetsLost: 0, highestSequence: 59, jitter: 0, lsr: 0, dlsr: 0 },
    }),
  );
  room.rtcp.receive(room.people[1]!, new RtcpRrPacket({ ssrc: 1, reports }).serialize(), room.now);
  equal(losses, [0.25]);
});

test('a publisher without slots is reported to from an SSRC of the connection itself', () => {
  const room = new Conversation(2);
  room.talk(50);
  room.pass(2100);
  const [report] = RtcpPacketConverter.deSerialize(room.people[0]!.sent[0]!) as [RtcpRrPacket];
  is(report.ssrc, room.people[0]!.rtcp.ssrc);
});

test('a connection that is not established is sent nothing', () => {
  const room = new Conversation(2);
  Object.assign(room.people[1]!, { established: false });
  room.talk(50);
  room.pass(2100);
  is(room.people[1]!.sent.length, 0);
  ok(room.people[0]!.sent.length > 0);
});

test.run();
