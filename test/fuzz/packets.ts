/**
 * Packets through a worker's step and main's egress: ring, forwarder, ring, egress, and finally listeners that check
 * every packet.
 */
import { Egress } from '../../src/main/media/egress.ts';
import { milliseconds, toStamp } from '../../src/workers/clock.ts';
import { Forwarder } from '../../src/workers/forwarder.ts';
import { Count, Drop, layoutShard, SOURCE_WORDS } from '../../src/workers/protocol.ts';
import { NONE, RingReader, RingWriter } from '../../src/workers/ring.ts';
import { below, type Random } from '../support/prng.ts';
import { type Listener, OutputCheck } from './output-check.ts';
import { CONNECTIONS, type Participant, Participants, SLOTS } from './participants.ts';
import { type Counters, type FuzzTarget, insist, oneIn } from './target.ts';
import { PacketMaker } from './wire.ts';

const PACKETS_A_CASE = 20_000;
const MAX_DELAY_MS = 60_000;
/** A batch larger than all packets that one packet can cause. */
const ALL = 1_000_000;
/** Reasons for which a packet is dropped as a whole; the other reasons count packets of single listeners. */
const WHOLE: readonly number[] = Object.entries(Drop)
  .filter(([reason]) => reason !== 'BeforeSwitch' && reason !== 'EgressFull')
  .map(([, index]) => index);

/** One worker's step and main's egress, without threads. */
class Pipeline {
  readonly output = new OutputCheck();
  readonly participants: Participants;
  private readonly counters: Int32Array;
  private readonly ingress: RingWriter;
  private readonly incoming: RingReader;
  private readonly outgoing: RingWriter;
  private readonly forwarder: Forwarder;
  private readonly egress: Egress;
  private readonly maker: PacketMaker;
  private clock: number;
  /** The sender of the current packet, and its bytes. */
  private sender: Participant | null = null;
  private packet: Buffer = Buffer.alloc(0);

  constructor(random: Random) {
    const small = oneIn(random, 8);
    const shard = layoutShard(4096, small ? 4096 : 1 << 18);
    this.output.holes = small;
    this.participants = new Participants(this.output, undefined, (listener, number, payload) =>
      this.look(listener, number, payload),
    );
    this.counters = new Int32Array(shard.memory, shard.counters);
    this.ingress = new RingWriter(shard.ingress);
    this.incoming = new RingReader(shard.ingress);
    this.outgoing = new RingWriter(shard.egress);
    const sources = new SharedArrayBuffer(CONNECTIONS * SOURCE_WORDS * 4);
    const tables = { slots: this.participants.slots, slotsPerConnection: SLOTS, sources };
    this.forwarder = new Forwarder(shard, this.outgoing, tables);
    this.egress = new Egress(shard, this.participants.listeners, MAX_DELAY_MS);
    this.maker = new PacketMaker(random);
    this.clock = random() | 0;
  }

  /** Sends a packet of some participant, or of none. */
  send(random: Random): void {
    this.pass(oneIn(random, 100_000) ? random() >>> 1 : below(random, 100));
    const participant = this.anybody(random);
    const packet = this.maker.next(random, participant?.publisher ?? NOBODY);
    const from = participant === undefined || oneIn(random, 128) ? random() | 0 : participant.listener.id;
    insist(this.ingress.push(from, packet, toStamp(milliseconds())), () => 'an empty ring refused a packet');
    this.sender = this.participants.all.find((one) => one?.listener.id === from) ?? null;
    this.packet = packet;
    const offset = this.incoming.next();
    insist(offset !== NONE, () => 'a packet did not come out of the ring');
    const before = this.account();
    const { length, id, stamp } = this.incoming;
    this.forwarder.forward(offset, length, id, stamp, this.clock);
    this.incoming.release();
    const after = this.account();
    const [dropped, fanned] = [after.whole - before.whole, after.parts - before.parts];
    const once = dropped === 1 ? fanned === 0 : dropped === 0 && fanned > 0;
    insist(once, () => `a packet counted as ${dropped} dropped, ${fanned} on their way: ${packet.toString('hex')}`);
    this.flush();
    this.sender = null;
  }

  /** Returns some participant, mostly one whose packets are forwarded. */
  private anybody(random: Random): Participant | undefined {
    for (let tries = 0; tries < 4; tries++) {
      const participant = this.participants.all[below(random, CONNECTIONS)];
      if (participant !== undefined && participant.listener.conversation !== 0 && participant.publication !== null)
        return participant;
    }
    return this.participants.all[below(random, CONNECTIONS)];
  }

  /** Lets some participant come, go, mute or choose whom it hears. */
  change(random: Random): void {
    const { participants, forwarder } = this;
    const index = below(random, CONNECTIONS);
    const participant = participants.all[index];
    if (participant === undefined) return forwarder.join(participants.join(random, participants.open(random, index)));
    switch (below(random, 6)) {
      case 0:
        this.leave(participant);
        return participants.close(index);
      case 1:
        this.leave(participant);
        return forwarder.join(participants.join(random, participant));
      case 2:
        return this.leave(participant);
      case 3:
        participant.muted = !participant.muted;
        return forwarder.mute(participant.listener.id, participant.muted);
      default: {
        if (participant.listener.conversation === 0) return forwarder.join(participants.join(random, participant));
        const wishes = participants.listen(random, participant);
        participant.listener.deafened = wishes.deafened;
        participant.excluded = wishes.excluded;
        return forwarder.listen(wishes);
      }
    }
  }

  /** Lets everybody leave, and checks that nothing is left and that all packets are counted. */
  close(packets: number, outcomes: Counters): void {
    for (const participant of this.participants.all) if (participant !== undefined) this.leave(participant);
    insist(this.forwarder.conversationCount === 0, () => 'a conversation is left behind');
    insist(!this.forwarder.fading, () => 'a slot without a listener fades');
    const { output, egress } = this;
    const count = (index: number): number => this.counters[index]!;
    insist(count(Count.PacketsIn) === packets, () => `${count(Count.PacketsIn)} of ${packets} packets came in`);
    const [out, silence] = [count(Count.PacketsOut), count(Count.Silence)];
    const { sent, stale, failed, late } = egress.counts;
    insist(out + silence === sent, () => `${out} + ${silence} written, ${sent} sent`);
    insist(stale + failed + late === 0, () => `${stale} stale, ${failed} failed, ${late} late`);
    insist(
      output.packets + output.silence === sent,
      () => `${sent} sent, ${output.packets} + ${output.silence} received`,
    );
    insist(egress.corrupt + this.incoming.corrupt === 0, () => 'a ring was corrupted');
    for (const [reason, index] of Object.entries(Drop)) outcomes.add(reason, count(index));
    outcomes.add('forwarded', packets - WHOLE.reduce((sum, index) => sum + count(index), 0));
    outcomes.add('sent', sent);
    outcomes.add('rebuilt', count(Count.Rebuilt));
  }

  private leave(participant: Participant): void {
    this.forwarder.leave(participant.listener.id);
    this.flush();
    participant.listener.conversation = 0;
  }

  private pass(ticks: number): void {
    this.clock = (this.clock + ticks) | 0;
    this.forwarder.tick(this.clock, toStamp(milliseconds()));
  }

  private flush(): void {
    this.outgoing.publish();
    insist(!this.egress.send(ALL), () => 'the egress does not come to an end');
    this.output.throwIfFailed();
  }

  private account(): { whole: number; parts: number } {
    const { counters } = this;
    let whole = 0;
    for (const index of WHOLE) whole += counters[index]!;
    return { whole, parts: counters[Count.PacketsOut]! + counters[Drop.BeforeSwitch]! + counters[Drop.EgressFull]! };
  }

  /** A listener may hear only what the sender sent, and only if both of them let it. */
  private look(listener: Listener, number: number, payload: Uint8Array): string | null {
    const { sender, packet } = this;
    if (sender === null || sender.number !== number) return `from ${number}, who sent nothing`;
    if (sender.muted) return 'from a muted participant';
    if (listener.deafened) return 'for a deafened participant';
    const participant = this.participants.all.find((one) => one?.listener === listener);
    if (participant?.excluded.includes(number)) return 'from an excluded speaker';
    const part = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    return packet.includes(part) ? null : `not a part of ${packet.toString('hex')}`;
  }
}

const NOBODY = {
  payloadType: 111,
  redPayloadType: 63,
  levelExtension: 1,
  declared: false,
  ssrc: 1,
  sequence: 1,
  timestamp: 1,
};

export const packets: FuzzTarget = {
  name: 'packets',
  unit: 'packets',
  parallel: 1,
  weight: 4,
  async start() {
    return {
      run(random, outcomes) {
        const pipeline = new Pipeline(random);
        const restless = 20 + below(random, 400);
        for (let i = 0; i < PACKETS_A_CASE; i++) {
          if (oneIn(random, restless)) pipeline.change(random);
          pipeline.send(random);
        }
        pipeline.close(PACKETS_A_CASE, outcomes);
        return PACKETS_A_CASE;
      },
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
