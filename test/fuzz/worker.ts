/** The packets of `packets.ts` once more, through a real worker thread, with everything between it and main. */
import { setImmediate as turn } from 'node:timers/promises';
import { readConfig } from '../../src/main/config.ts';
import { createLog } from '../../src/main/log/log.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import { Shards } from '../../src/main/media/shards.ts';
import { Count, Drop } from '../../src/workers/protocol.ts';
import { below, type Random } from '../support/prng.ts';
import { Judge } from './legal.ts';
import { CONNECTIONS, People, type Person, SLOTS } from './people.ts';
import { type Counters, type FuzzTarget, insist, oneIn } from './target.ts';
import { PacketMaker } from './wire.ts';

const PACKETS_A_CASE = 20_000;
/** Packets before the event loop turns. */
const BATCH = 256;

/** The threads of one case. */
class Traffic {
  private readonly judge = new Judge();
  private readonly ears: People['ears'][number][] = new Array(CONNECTIONS).fill(undefined);
  private readonly shards: Shards;
  private readonly people: People;
  private readonly maker: PacketMaker;
  /** Connections that their worker has not let go. */
  private readonly leaving = new Set<Person>();
  private pushed = 0;

  constructor(random: Random) {
    const variables = { WORKERS: '1', MAX_CONNECTIONS: String(CONNECTIONS), MAX_SLOTS: String(SLOTS) };
    const rings = { INGRESS_RING_BYTES: '262144', EGRESS_RING_BYTES: '1048576' };
    const config = readConfig({ ...variables, ...rings, MAX_DELAY_MS: '60000' });
    this.shards = new Shards(config, this.ears, createLog('silent'), (error) => {
      this.judge.verdict ??= `the worker ended: ${error}`;
    });
    // Rings may refuse what comes too fast.
    this.judge.holes = true;
    this.people = new People(this.judge, this.shards.slots.buffer as SharedArrayBuffer);
    this.maker = new PacketMaker(random);
  }

  async run(random: Random, tally: Counters): Promise<void> {
    await this.shards.whenReady();
    for (let i = 0; i < PACKETS_A_CASE; i++) {
      if (oneIn(random, 100)) this.change(random);
      const taken = this.send(random);
      if (taken && i % BATCH !== 0) continue;
      await turn();
      this.judge.rule();
    }
    for (const person of this.people.all) if (person !== undefined) this.leave(person);
    while (this.leaving.size > 0) await turn();
    await this.shards.stop();
    this.judge.rule();
    this.close(tally);
  }

  private get shard(): Shard {
    return this.shards.all[0]!;
  }

  /** @returns false if the ring is full. */
  private send(random: Random): boolean {
    const person = this.people.all[below(random, CONNECTIONS)];
    if (person === undefined) return true;
    const taken = this.shard.push(person.ear.id, this.maker.next(random, person.voice));
    if (taken) this.pushed++;
    return taken;
  }

  private change(random: Random): void {
    const { people, shard } = this;
    const index = below(random, CONNECTIONS);
    const person = people.all[index];
    if (person !== undefined && this.leaving.has(person)) return;
    if (person === undefined) {
      const opened = people.open(random, index);
      this.ears[index] = opened.ear;
      return shard.join(people.join(random, opened));
    }
    if (person.ear.conversation === 0) return shard.join(people.join(random, person));
    switch (below(random, 3)) {
      case 0:
        return this.leave(person, oneIn(random, 2) ? index : null);
      case 1:
        return shard.mute(person.ear.id, random() % 2 === 0);
      default:
        return shard.listen(people.listen(random, person));
    }
  }

  /** @param index to be freed afterwards, or null. */
  private leave(person: Person, index: number | null = null): void {
    if (person.ear.conversation === 0 || this.leaving.has(person)) return;
    this.leaving.add(person);
    this.shard.leave(person.ear.id, () => {
      this.leaving.delete(person);
      person.ear.conversation = 0;
      if (index === null) return;
      this.people.close(index);
      this.ears[index] = undefined;
    });
  }

  private close(tally: Counters): void {
    const { shard, judge, pushed } = this;
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
    insist(judge.packets + judge.silence === sent, () => `${sent} sent, ${judge.packets} + ${judge.silence} received`);
    insist(this.shards.restarts === 0, () => 'the worker ended');
    insist(shard.corrupt === 0, () => 'a ring was corrupted');
    for (const [reason, index] of Object.entries(Drop)) tally.add(reason, shard.counter(index));
    tally.add('sent', sent);
    tally.add('ingress full', shard.ingressDropped);
  }
}

export const worker: FuzzTarget = {
  name: 'worker',
  unit: 'packets',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      async run(random, tally) {
        await new Traffic(random).run(random, tally);
        return PACKETS_A_CASE;
      },
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
