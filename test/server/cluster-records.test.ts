/** User records in a real NATS, seen and changed by several instances in one process. */
import { equal, is } from 'uvu/assert';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { Member, type MemberOptions, outcome, Roll } from '../support/records-fixture.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('user records');

interface Cluster {
  readonly nats: NatsServer;
  readonly roll: Roll;
  readonly members: Member[];
  /** Starts one more. */
  start(options?: MemberOptions, incarnation?: string): Promise<Member>;
}

/** Adds a scenario with members on a NATS of its own. */
function withMembers(
  name: string,
  count: number,
  body: (cluster: Cluster, ...members: Member[]) => Promise<void>,
  options: MemberOptions = {},
  seconds?: number,
): void {
  withEachNats(
    test,
    name,
    async (program) => {
      const nats = await NatsServer.start({ program });
      const roll = new Roll();
      const members: Member[] = [];
      const start = async (own: MemberOptions = options, incarnation?: string): Promise<Member> => {
        const member = await Member.start(nats.url, roll, own, incarnation);
        members.push(member);
        return member;
      };
      try {
        // The first one leads.
        for (let i = 0; i < count; i++) await start(options, `${i}`.repeat(12));
        await body({ nats, roll, members, start }, ...members);
      } finally {
        await Promise.all(members.map((member) => member.close()));
        await nats.stop();
      }
    },
    seconds,
  );
}

withMembers(
  'a join on one instance is known on all, and what was acknowledged is applied here',
  3,
  async ({ members }, a) => {
    await a!.store.join('ann', 'hall');
    is(a!.conversation('ann'), 'hall');
    is(a!.registry.isIn('ann', 'hall'), true);
    for (const member of members) await until('everybody knows', () => member.registry.isIn('ann', 'hall'));
    await a!.store.leave('ann', 'hall');
    is(a!.records.get('ann'), undefined);
    for (const member of members) await until('everybody knows', () => member.registry.userCount === 0);
  },
);

withMembers('connections are where the record says, whichever instance changed it', 2, async (_, a, b) => {
  a!.connect('ann', 'phone');
  b!.connect('ann', 'laptop');
  await until('both are recorded', () => a!.recorded('ann').length === 2 && b!.recorded('ann').length === 2);
  await a!.store.join('ann', 'hall');
  await until('the laptop is told', () => b!.told.includes('laptop in hall'));
  equal(a!.told, ['phone in hall']);
  await b!.store.mute('ann', 'hall', true);
  await until('the phone is told', () => a!.told.includes('phone muted'));
  await a!.store.kick('ann', 'hall');
  await until('the laptop is told', () => b!.told.at(-1) === 'laptop in none kicked');
  is(await outcome(b!.store.kick('ann', 'hall')), 'not-found');
  is(await outcome(b!.store.mute('ann', 'hall', false)), 'not-found');
});

test.run();
