/** What operators get from one instance of a cluster whose other instances are fakes. */
import { equal, is, match, throws, unreachable } from 'uvu/assert';
import type { ClientConnection } from '../../../src/main/connections/client-connection.ts';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import { RequestError } from '../../../src/main/errors.ts';
import type { OwnedConnection } from '../../../src/main/operations/local-view.ts';
import { Operator, type OperatorParts } from '../../../src/main/operations/operator.ts';
import type { ClusterOverview, ClusterView, Elsewhere } from '../../../src/main/operations/views.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('operator');

/** Returns a user's connection. */
function connection(userid: string, clientid: string): OwnedConnection {
  const flags = { publishes: true, muted: false, deafened: false, speaking: false, hand: false };
  return { userid, connection: 7, clientid, state: 'established', seconds: 3, number: 1, slots: 2, ...flags };
}

class FakeCluster implements ClusterView {
  readonly instance = 'a';
  problem: string | null = null;
  warnings: string[] = [];
  elsewhere: Elsewhere = { connections: [], missing: [] };
  /** Called while the others are asked. */
  meanwhile = (): void => undefined;

  spans(): ReadonlyMap<string, number> {
    return new Map([['attic', 2]]);
  }

  async conversation(): Promise<Elsewhere> {
    this.meanwhile();
    return this.elsewhere;
  }

  user(): Promise<Elsewhere> {
    return this.conversation();
  }

  overview(): ClusterOverview {
    const { problem, warnings } = this;
    const spanning = { total: 0, conversations: [] };
    return { whole: problem === null, problem, warnings, instances: [], spanning };
  }
}

interface Fixture {
  readonly operator: Operator;
  readonly cluster: FakeCluster;
  readonly registry: Conversations<ClientConnection>;
  /** Connections of this instance. */
  readonly own: OwnedConnection[];
  state: { draining: boolean; healthy: boolean; full: boolean };
}

function fixture(withCluster = true): Fixture {
  const cluster = new FakeCluster();
  const registry = new Conversations<ClientConnection>({ users: 9, conversations: 9, participants: 9 }, 1000);
  const own: OwnedConnection[] = [];
  const state = { draining: false, healthy: true, full: false };
  const parts: OperatorParts = {
    config: { MAX_CONNECTIONS: 9, MAX_MEMBERSHIPS: 9 },
    conversations: registry,
    connections: {
      get full() {
        return state.full;
      },
      placed: 2,
    },
    memberships: {
      get draining() {
        return state.draining;
      },
      kick: () => undefined,
      ban: () => undefined,
      mute: () => undefined,
      letSpeak: () => undefined,
    },
    health: {
      check: () => ({ healthy: state.healthy, eventLoopStallMs: 0, workersBeatMs: [], problems: [] }),
    },
    local: {
      conversation: (id) => own.filter(({ userid }) => registry.isIn(userid, id)),
      user: (userid) => own.filter((one) => one.userid === userid),
    },
    cluster: withCluster ? cluster : null,
    metrics: { render: async () => ({ contentType: '', body: '' }) },
  };
  return { operator: new Operator(parts), cluster, registry, own, state };
}

async function refusal(asked: Promise<unknown>): Promise<RequestError> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  return unreachable('it was answered') as never;
}

test('an instance that cannot reach the others is not ready, and says why', () => {
  const { operator, cluster } = fixture();
  equal([operator.readiness().status, operator.readiness().problems], ['ready', []]);
  cluster.problem = 'NATS is gone';
  const { ready, status, problems } = operator.readiness();
  equal([ready, status, problems], [false, 'degraded', ['NATS is gone']]);
});

test('an instance that serves tells all the same what is wrong with its cluster', () => {
  const { operator, cluster } = fixture();
  cluster.warnings = ['b is of another version'];
  const { ready, status, problems } = operator.readiness();
  equal([ready, status, problems], [true, 'ready', ['b is of another version']]);
  cluster.problem = 'NATS is gone';
  equal(operator.readiness().problems, ['NATS is gone', 'b is of another version']);
});

test('of several reasons not to be ready the one that lasts is told; the problems are told in any case', () => {
  const { operator, cluster, state } = fixture();
  cluster.problem = 'NATS is gone';
  state.full = true;
  is(operator.readiness().status, 'degraded');
  state.healthy = false;
  is(operator.readiness().status, 'unhealthy');
  state.draining = true;
  is(operator.readiness().status, 'draining');
  equal(operator.readiness().problems, ['NATS is gone']);
});

test('without a cluster readiness says nothing of problems, and there is no overview', () => {
  const { operator } = fixture(false);
  equal(operator.readiness(), {
    ...{ ready: true, status: 'ready', connections: 2, maxConnections: 9, users: 0, maxUsers: 9 },
  });
  throws(
    () => operator.cluster(),
    (error: RequestError) => error.kind === 'not-found' && /NATS_URL/.test(error.message),
  );
});

test('conversations are listed with the number of instances that they span', () => {
  const { operator, registry } = fixture();
  registry.join('ann', 'attic', 0);
  registry.join('bob', 'attic', 0);
  registry.join('cid', 'cellar', 0);
  equal(operator.conversations(0, 9).conversations, [
    { id: 'attic', users: 2, instances: 2 },
    { id: 'cellar', users: 1, instances: 0 },
  ]);
  const alone = fixture(false);
  alone.registry.join('ann', 'attic', 0);
  equal(alone.operator.conversations(0, 9).conversations, [{ id: 'attic', users: 1 }]);
});

test('a conversation has the connections of all instances, each with its own, and names who did not answer', async () => {
  const { operator, cluster, registry, own } = fixture();
  registry.join('ann', 'attic', 0);
  registry.join('bob', 'attic', 0);
  own.push(connection('ann', 'tab'));
  const there = [connection('ann', 'phone'), connection('bob', 'tab'), connection('stranger', 'tab')];
  cluster.elsewhere = { connections: there.map((one) => ({ ...one, instance: 'b' })), missing: ['c'] };
  const { id, users, missing } = await operator.conversation('attic');
  equal([id, missing], ['attic', ['c']]);
  equal(
    users.map(({ userid, connections }) => [userid, connections.map((one) => [one.instance, one.clientid])]),
    [
      [
        'ann',
        [
          ['a', 'tab'],
          ['b', 'phone'],
        ],
      ],
      ['bob', [['b', 'tab']]],
    ],
  );
  is('userid' in users[0]!.connections[0]!, false, 'it is said once');
});

test('a conversation that ends while the others are asked is not found', async () => {
  const { operator, cluster, registry } = fixture();
  cluster.meanwhile = () => unreachable('nobody need be asked');
  is((await refusal(operator.conversation('attic'))).kind, 'not-found');
  registry.join('ann', 'attic', 0);
  cluster.meanwhile = () => void registry.leave('ann', 'attic');
  is((await refusal(operator.conversation('attic'))).kind, 'not-found');
});

test('without a cluster nobody is missing, and connections have no instance', async () => {
  const { operator, registry, own } = fixture(false);
  registry.join('ann', 'attic', 0);
  own.push(connection('ann', 'tab'));
  const { userid: _, ...shown } = connection('ann', 'tab');
  equal(await operator.conversation('attic'), {
    ...{ id: 'attic', users: [{ userid: 'ann', silenced: false, speak: true, connections: [shown] }] },
  });
  equal(await operator.user('ann'), {
    ...{ userid: 'ann', conversation: 'attic', silenced: false, speak: true, connections: [shown] },
  });
});

test('a user is found by a connection anywhere, or by a membership alone', async () => {
  const { operator, cluster, registry } = fixture();
  registry.join('ann', 'attic', 0);
  registry.mute('ann', 'attic', true);
  equal(await operator.user('ann'), {
    ...{ userid: 'ann', conversation: 'attic', silenced: true, speak: true, connections: [], missing: [] },
  });
  const { userid, ...there } = { ...connection('bob', 'tab'), instance: 'b' };
  cluster.elsewhere = { connections: [{ userid, ...there }], missing: [] };
  equal(await operator.user('bob'), {
    ...{ userid: 'bob', conversation: null, silenced: false, speak: true, connections: [there], missing: [] },
  });
});

test('who is not found may be on an instance that did not answer, which is said', async () => {
  const { operator, cluster } = fixture();
  const sure = await refusal(operator.user('ann'));
  equal([sure.kind, /did not answer/.test(sure.message)], ['not-found', false]);
  cluster.elsewhere = { connections: [], missing: ['b', 'c'] };
  match((await refusal(operator.user('ann'))).message, 'b, c did not answer');
});

test.run();
