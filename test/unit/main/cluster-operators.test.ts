/** What one instance shows its operators of the cluster. */
import { equal, is, match } from 'uvu/assert';
import type { Found } from '../../../src/main/cluster/inquiry.ts';
import { InstanceHistory } from '../../../src/main/cluster/instance-history.ts';
import type { Instance } from '../../../src/main/cluster/instances.ts';
import { OperatorsView, type OperatorsViewParts } from '../../../src/main/cluster/operators-view.ts';
import type { ClusterView } from '../../../src/main/operations/views.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('operators of a cluster');

/** Returns an instance that has relayed nothing. */
function instance(id: string, more: Partial<Instance> = {}): Instance {
  const figures = { draining: false, connections: 1, conversations: 1, relayedIn: 0, relayedOut: 0, dropped: 0 };
  return {
    ...{ id, incarnation: id.repeat(12), version: '1.0.0', host: `host-${id}`, rttMs: 0.5, silentMs: 100 },
    ...{ ...figures, ...more },
  };
}

interface RecordOf {
  readonly conversation: string | null;
  readonly connections: readonly { readonly instance: string }[];
}

/** A user's record with connections on these instances. */
function record(conversation: string | null, ...instances: string[]): RecordOf {
  return { conversation, connections: instances.map((id) => ({ instance: id.repeat(12) })) };
}

class Fixture {
  readonly timers = new FakeTimers();
  readonly control = { connected: true, refused: [] as string[] };
  readonly media = { connected: true, refused: [] as string[] };
  readonly relay = { detached: false };
  figures = { draining: false, connections: 3, conversations: 2, relayedIn: 0, relayedOut: 0, dropped: 0 };
  others: Instance[] = [instance('b'), instance('c')];
  duplicate: string | null = null;
  warnings: string[] = [];
  records: RecordOf[] = [];
  copy = {
    lagMs: 0,
    refusal: null as string | null,
    overflow: 0,
    warnings: [] as string[],
    all: (): RecordOf[] => this.records,
  };
  readonly asked: string[] = [];
  readonly view: OperatorsView;

  constructor() {
    const fixture = this;
    const parts: OperatorsViewParts = {
      control: this.control,
      media: this.media,
      relay: this.relay,
      instances: {
        self: { ...instance('a'), pid: 1 },
        all: () => fixture.others,
        isAlive: (incarnation) =>
          incarnation === 'a'.repeat(12) || fixture.others.some((one) => one.incarnation === incarnation),
        get warnings() {
          return fixture.warnings;
        },
        get duplicate() {
          return fixture.duplicate;
        },
      },
      figures: () => fixture.figures,
      records: fixture.copy,
      inquiry: {
        ask: async (about, id): Promise<Found> => {
          fixture.asked.push(`${about} ${id}`);
          return { connections: [], missing: ['c'] };
        },
      },
      timers: this.timers,
    };
    this.view = new OperatorsView(parts);
  }
}

test('operations can use it as their view of a cluster', async () => {
  const { view, asked } = new Fixture();
  const shown: ClusterView = view;
  is(shown.instance, 'a');
  equal((await shown.conversation('attic')).missing, ['c']);
  await shown.user('ann');
  equal(asked, ['conversation attic', 'user ann']);
});

test('this instance comes first, each with what it tells of itself and how long it is known', () => {
  const fixture = new Fixture();
  fixture.timers.pass(4000);
  fixture.others = [instance('b', { draining: true, rttMs: null }), instance('d', { connections: 7 })];
  fixture.timers.pass(6000);
  const { whole, problem, instances } = fixture.view.overview();
  equal([whole, problem], [true, null]);
  equal(
    instances.map(({ id, self, seconds, draining, connections, rttMs, silentMs }) => {
      return [id, self, seconds, draining, connections, rttMs, silentMs];
    }),
    [
      ['a', true, 10, false, 3, 0, 0],
      ['b', false, 10, true, 1, null, 100],
      ['d', false, 5, false, 7, 0.5, 100],
    ],
  );
  equal(Object.keys(instances[1]!).sort(), [
    ...['connections', 'conversations', 'draining', 'host', 'id', 'incarnation', 'relay', 'rttMs', 'seconds', 'self'],
    ...['silentMs', 'version'],
  ]);
});

test('conversations that span instances are counted and named; the dead, and who is in none, do not count', () => {
  const fixture = new Fixture();
  fixture.records = [
    record('attic', 'a', 'b'),
    record('attic', 'c', 'a'),
    record('cellar', 'b', 'b'),
    record('cellar', 'x'),
    record('garden', 'a'),
    record('garden', 'c'),
    record(null, 'a', 'b'),
    record('empty'),
  ];
  equal(fixture.view.overview().spanning, {
    total: 2,
    conversations: [
      { id: 'attic', instances: ['a', 'b', 'c'] },
      { id: 'garden', instances: ['a', 'c'] },
    ],
  });
  equal(
    [...fixture.view.spans()],
    [
      ['attic', 3],
      ['cellar', 1],
      ['garden', 2],
    ],
  );
});

test('of many conversations those that span the most instances are named', () => {
  const fixture = new Fixture();
  fixture.records = Array.from({ length: 150 }, (_, i) => record(`room ${i}`, 'a', 'b'));
  fixture.records.push(record('widest', 'a', 'b', 'c'));
  const { total, conversations } = fixture.view.overview().spanning;
  equal([total, conversations.length, conversations[0]!.id], [151, 100, 'widest']);
});

test('what is wrong is told, the worst of it first', () => {
  const fixture = new Fixture();
  const says = (): string => fixture.view.problem ?? '';
  is(says(), '');
  fixture.duplicate = 'two instances have one INSTANCE_ID';
  is(says(), fixture.duplicate);
  fixture.duplicate = null;
  fixture.warnings = ['b is of another version'];
  fixture.copy.warnings = ['the bucket was changed'];
  is(says(), '', 'it serves');
  equal(fixture.view.overview().warnings, ['b is of another version', 'the bucket was changed']);
  fixture.copy.overflow = 12;
  match(says(), '12 users more than MAX_MEMBERSHIPS');
  fixture.copy.refusal = 'insufficient storage';
  match(says(), '(insufficient storage), so joins get 503');
  fixture.copy.lagMs = 3000;
  match(says(), 'insufficient storage');
  fixture.copy.lagMs = 3001;
  match(says(), 'JetStream');
  fixture.media.refused.push('sfu.media.x');
  match(says(), 'the subjects sfu.media.x:');
  fixture.control.refused.push('sfu.beat', 'sfu.media.x');
  match(says(), 'the subjects sfu.beat, sfu.media.x:');
  fixture.relay.detached = true;
  match(says(), 'the relay of packets failed');
  fixture.media.connected = false;
  match(says(), 'link to NATS for media');
  fixture.control.connected = false;
  match(says(), /NATS cannot be reached.*503.*NATS_URL/);
  const { whole, problem } = fixture.view.overview();
  equal([whole, problem], [false, says()]);
});

test('relayed packets are told as rates between heartbeats', () => {
  const fixture = new Fixture();
  equal(fixture.view.overview().instances[1]!.relay, null);
  fixture.others = [instance('b', { relayedIn: 500, relayedOut: 25, dropped: 1, silentMs: 600 })];
  fixture.figures = { ...fixture.figures, relayedOut: 500 };
  fixture.timers.pass(5000);
  const [self, other] = fixture.view.overview().instances;
  // Its heartbeats were 4.5 s apart.
  equal(other!.relay, { in: 111.1, out: 5.6, dropped: 0.2 });
  equal(self!.relay, { in: 0, out: 100, dropped: 0 });
});

test('after its end it looks no more', () => {
  const fixture = new Fixture();
  fixture.view.close();
  fixture.others = [instance('d')];
  fixture.timers.pass(60_000);
  is(fixture.view.overview().instances[1]!.seconds, 0);
});

test('an instance that was not heard since keeps its rates, and one that is gone leaves nothing', () => {
  const history = new InstanceHistory();
  const at = (now: number, relayedIn: number, silentMs = 0): void =>
    history.look([{ incarnation: 'b', silentMs, relayedIn, relayedOut: 0, dropped: 0 }], now);
  at(0, 0);
  is(history.rates('b'), null);
  at(1000, 100);
  is(history.rates('b')!.in, 100);
  at(3000, 100, 2000);
  is(history.rates('b')!.in, 100);
  at(4000, 50);
  is(history.rates('b')!.in, 0, 'counts never go down');
  is(history.since('b'), 0);
  history.look([], 5000);
  equal([history.since('b'), history.rates('b')], [undefined, null]);
});

test.run();
