/** Two connections at one address: which of them is the ghost, and how long that is waited for. */
import { mock } from 'node:test';
import { equal, is } from 'uvu/assert';
import type { ClientConnection } from '../../../src/main/connections/client-connection.ts';
import { Ghosts } from '../../../src/main/connections/ghosts.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('ghosts by the clock');

/** By the clock of the reports, milliseconds. */
const NOW = 100_000;
const SENDING = { established: true, packetsReceived: 9, peer: { received: 9 } };

/** What is looked at of a connection. */
interface Fake {
  readonly name: string;
  readonly claim: { readonly userid: string; readonly clientid: string };
  state: 'signalling' | 'established' | 'ended';
  established: boolean;
  packetsReceived: number;
  muted: boolean;
  rtcp: { publishing: boolean; heardAt: number };
  peer: { received: number } | null;
  ufrag: string;
}

/** Runs a scenario with timers that go by its own clock. */
function withClock(body: (pass: (milliseconds: number) => void) => void): void {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    body((milliseconds) => mock.timers.tick(milliseconds));
  } finally {
    mock.timers.reset();
  }
}

function setUp() {
  const done: string[] = [];
  const actions = {
    end: (ghost: unknown, own: boolean) => done.push(`end ${(ghost as Fake).name}${own ? ', own' : ''}`),
    refuse: (newcomer: unknown) => done.push(`refuse ${(newcomer as Fake).name}`),
  };
  const ghosts = new Ghosts(actions, () => NOW);
  /** A connection of a client, as in `ann/phone`, whose name is its user fragment as well if it has no other. */
  const add = (name: string, fields: Partial<Fake> = {}, ufrag = name): Fake => {
    const [userid, clientid] = name.split('/') as [string, string];
    const claim = { userid, clientid };
    const fake: Fake = {
      ...{ name, claim, state: 'signalling', established: false, packetsReceived: 0, peer: { received: 0 }, ufrag: '' },
      ...{ muted: false, rtcp: { publishing: false, heardAt: 0 } },
      ...fields,
    };
    ghosts.add(fake as unknown as ClientConnection, ufrag);
    return fake;
  };
  const remove = (fake: Fake): void => ghosts.delete(fake as unknown as ClientConnection);
  return { ghosts, done, add, remove };
}

for (const [name, holder, older, patience, verdict] of [
  ['of the same client', 'ann/a', { established: true, packetsReceived: 9 }, 500, 'end ann/a, own'],
  ['that publishes', 'bob/a', { ...SENDING, rtcp: { publishing: true, heardAt: NOW - 900 } }, 1500, 'end bob/a'],
  ['that has just begun to publish', 'bob/a', SENDING, 1500, 'end bob/a'],
  ['that only ever reported', 'bob/a', { established: true, peer: { received: 9 } }, 8000, 'end bob/a'],
  ['that is muted', 'bob/a', { ...SENDING, muted: true }, 8000, 'end bob/a'],
  [
    'that has just been muted',
    ...['bob/a', { ...SENDING, muted: true, rtcp: { publishing: true, heardAt: NOW } }, 8000, 'end bob/a'],
  ] as const,
  [
    'whose microphone is off',
    ...['bob/a', { ...SENDING, rtcp: { publishing: false, heardAt: NOW } }, 8000, 'end bob/a'],
  ] as const,
  [
    'that is muted and reported three seconds ago',
    ...['bob/a', { ...SENDING, muted: true, rtcp: { publishing: false, heardAt: NOW - 3000 } }, 5000, 'end bob/a'],
  ] as const,
  [
    'that publishes no more and has long been silent',
    ...['bob/a', { ...SENDING, rtcp: { publishing: false, heardAt: NOW - 20_000 } }, 1500, 'end bob/a'],
  ] as const,
  ['that never sent anything', 'bob/a', { established: true }, 3000, 'end bob/a'],
  ['without an end in the library', 'bob/a', { peer: null }, 3000, 'end bob/a'],
] as const) {
  test(`a silent connection ${name} is ended after ${patience} ms, and not before`, () =>
    withClock((pass) => {
      const { ghosts, done, add } = setUp();
      add(holder, older as Partial<Fake>, 'old');
      add('ann/a', {}, 'new');
      ghosts.taken('old', 'new');
      pass(patience - 1);
      equal(done, []);
      pass(1);
      equal(done, [verdict]);
    }));
}

test("a holder with the same user or the same client id alone is not the newcomer's own", () =>
  withClock((pass) => {
    for (const [holder, newcomer] of [
      ['ann/a', 'ann/b'],
      ['bob/a', 'ann/a'],
    ] as const) {
      const { ghosts, done, add } = setUp();
      add(holder);
      add(newcomer);
      ghosts.taken(holder, newcomer);
      pass(3000);
      equal(done, [`end ${holder}`]);
    }
  }));

test('a connection that is not silent, or is established meanwhile, stays, and the newcomer is refused', () =>
  withClock((pass) => {
    for (const moves of [
      (older: Fake): unknown => older.peer!.received++,
      (older: Fake): unknown => Object.assign(older, { established: true }),
    ]) {
      const { ghosts, done, add } = setUp();
      const older = add('bob/a');
      add('ann/a');
      ghosts.taken('bob/a', 'ann/a');
      moves(older);
      pass(3000);
      equal(done, ['refuse ann/a']);
    }
  }));

test('nothing is done if one of the two has ended, or the newcomer connects after all', () =>
  withClock((pass) => {
    for (const change of [
      (older: Fake): unknown => Object.assign(older, { state: 'ended' }),
      (_: Fake, newer: Fake): unknown => Object.assign(newer, { state: 'ended' }),
      (_: Fake, newer: Fake): unknown => Object.assign(newer, { established: true }),
    ]) {
      const { ghosts, done, add } = setUp();
      const [older, newer] = [add('bob/a'), add('ann/a')];
      ghosts.taken('bob/a', 'ann/a');
      change(older, newer);
      pass(10_000);
      equal(done, []);
    }
  }));

test('a newcomer has one case at a time, and another once that is closed', () =>
  withClock((pass) => {
    const { ghosts, done, add } = setUp();
    const older = add('bob/a');
    add('ann/a');
    for (let i = 0; i < 5; i++) ghosts.taken('bob/a', 'ann/a');
    older.peer!.received++;
    pass(8000);
    equal(done, ['refuse ann/a']);
    ghosts.taken('bob/a', 'ann/a');
    pass(8000);
    equal(done, ['refuse ann/a', 'end bob/a']);
  }));

test('no case is opened for established, unknown or removed connections, or for a connection with itself', () =>
  withClock((pass) => {
    const { ghosts, done, add, remove } = setUp();
    add('bob/a');
    const gone = add('cid/a');
    remove(gone);
    add('ann/a', { established: true });
    for (const [holder, newcomer] of [
      ['bob/a', 'ann/a'],
      ['bob/a', 'bob/a'],
      ['bob/a', 'nobody'],
      ['cid/a', 'bob/a'],
    ] as const) {
      ghosts.taken(holder, newcomer);
    }
    pass(10_000);
    equal(done, []);
    is(gone.ufrag, 'cid/a');
  }));

test.run();
