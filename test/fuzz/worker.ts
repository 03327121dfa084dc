/** The packets of `packets.ts` through a real worker thread, with everything between it and main. */
import { setImmediate as turn } from 'node:timers/promises';
import { readConfig } from '../../src/main/config.ts';
import { createLog } from '../../src/main/log/log.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import { Shards } from '../../src/main/media/shards.ts';
import { Count, Drop } from '../../src/workers/protocol.ts';
import { below, type Random } from '../support/prng.ts';
import { NOTHING_SERVED } from '../support/served.ts';
import { OutputCheck } from './output-check.ts';
import { CONNECTIONS, type Participant, Participants, SLOTS } from './participants.ts';
import { type Counters, type FuzzTarget, insist, oneIn } from './target.ts';
import { PacketMaker } from './wire.ts';

const PACKETS_A_CASE = 20_000;
/** Packets after which the event loop gets a turn. */
const BATCH = 256;

/** A worker thread and its participants, for one case. */
class Traffic {
  private readonly output = new OutputCheck();
  private readonly listeners: Participants['listeners'][number][] = new Array(CONNECTIONS).fill(undefined);
  private readonly shards: Shards;
  private readonly participants: Participants;
  private readonly maker: PacketMaker;
  /** Participants that the worker has not released yet. */
  private readonly leaving = new Set<Participant>();
  private pushed = 0;

  constructor(random: Random) {
    const variables = { WORKERS: '1', MAX_CONNECTIONS: String(CONNECTIONS), MAX_SLOTS: String(SLOTS) };
    const rings = { INGRESS_RING_BYTES: '262144', EGRESS_RING_BYTES: '1048576' };
    const config = readConfig({ ...variables, ...rings, MAX_DELAY_MS: '60000' });
    this.shards = new Shards(config, this.listeners, NOTHING_SERVED, createLog('silent'), (error) => {
      this.output.failure ??= `the worker ended: ${error}`;
    });
    // Rings may refuse packets that come too fast.
    this.output.holes = true;
    this.participants = new Participants(this.output, this.shards.slots.buffer as SharedArrayBuffer);
    this.maker = new PacketMaker(random);
  }

  async run(random: Random, outcomes: Counters): Promise<void> {
    await this.shards.whenReady();
    for (let i = 0; i < PACKETS_A_CASE; i++) {
      if (oneIn(random, 100)) this.change(random);
      const taken = this.send(random);
      if (taken && i % BATCH !== 0) continue;
      await turn();
      this.output.throwIfFailed();
    }
    for (const participant of this.participants.all) if (participant !== undefined) this.leave(participant);
    while (this.leaving.size > 0) await turn();
    await this.shards.stop();
    this.output.throwIfFailed();
    this.close(outcomes);
  }

  private get shard(): Shard {
    return this.shards.all[0]!;
  }

  /** Sends a packet. @returns false if the ring is full. */
  private send(random: Random): boolean {
    const participant = this.participants.all[below(random, CONNECTIONS)];
    if (participant === undefined) return true;
    const taken = this.shard.push(participant.listener.id, this.maker.next(random, participant.publisher));
    if (taken) this.pushed++;
    return taken;
  }

  private change(random: Random): void {
    const { participants, shard } = this;
    const index = below(random, CONNECTIONS);
    const participant = participants.all[index];
    if (participant !== undefined && this.leaving.has(participant)) return;
    if (participant === undefined) {
      const opened = participants.open(random, index);
      this.listeners[index] = opened.listener;
      return shard.join(participants.join(random, opened));
    }
    if (participant.listener.conversation === 0) return shard.join(participants.join(random, participant));
    switch (below(random, 3)) {
      case 0:
        return this.leave(participant, oneIn(random, 2) ? index : null);
      case 1:
        return shard.mute(participant.listener.id, random() % 2 === 0);
      default:
        return shard.listen(participants.listen(random, participant));
    }
  }

  /** Lets a participant leave. @param index the index to free afterwards, or null. */
  private leave(participant: Participant, index: number | null = null): void {
    if (participant.listener.conversation === 0 || this.leaving.has(participant)) return;
    this.leaving.add(participant);
    this.shard.leave(participant.listener.id, () => {
      this.leaving.delete(participant);
      participant.listener.conversation = 0;
      if (index === null) return;
      this.participants.close(index);
      this.listeners[index] = undefined;
    });
  }

  private close(outcomes: Counters): void {
    const { shard, output, pushed } = this;
    const [into, out, silence] = [
      shard.counter(Count.PacketsIn),
      shard.counter(Count.PacketsOut),
      shard.counter(Count.Silence),
    ];
    const { sent, stale, failed, late } = shard.egress.counts;
    insist(into === pushed, () => `${into} of ${pushed} packets came in`);
    insist(
      out + silence === sent + stale + late,
      () => `${out} + ${silence} written, ${sent} + ${stale} + ${late} sent`,
    );
    insist(failed === 0 && stale === 0, () => `${failed} failed, ${stale} stale`);
    insist(
      output.packets + output.silence === sent,
      () => `${sent} sent, ${output.packets} + ${output.silence} received`,
    );
    insist(this.shards.restarts === 0, () => 'the worker ended');
    insist(shard.corrupt === 0, () => 'a ring was corrupted');
    for (const [reason, index] of Object.entries(Drop)) outcomes.add(reason, shard.counter(index));
    outcomes.add('sent', sent);
    outcomes.add('ingress full', shard.ingressDropped);
  }
}

export const worker: FuzzTarget = {
  name: 'worker',
  unit: 'packets',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      async run(random, outcomes) {
        await new Traffic(random).run(random, outcomes);
        return PACKETS_A_CASE;
      },
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
