/** What the browser client keeps of joins that nobody confirms. */
import { equal, is } from 'uvu/assert';
import { importClientPart } from '../../support/client-part.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client membership');

interface FakePeer {
  readonly people: { conversation: string | null };
  readonly checks: Set<() => void>;
  readonly established: boolean;
}

interface Membership {
  readonly conversation: string | null;
  readonly checks: Set<() => void>;
  join(conversation: string, current: () => FakePeer | null): Promise<void>;
  leave(current: () => FakePeer | null): Promise<void>;
  handle(event: object): void;
  close(error: null): void;
}

const { Membership } = await importClientPart<{
  Membership: new (api: { url: string }, changed: () => void) => Membership;
}>('membership.ts');

/** A server that answers 200 to everything, and a connection that hears nothing of it. */
async function unconfirmed(body: (membership: Membership, peer: FakePeer) => Promise<void>): Promise<void> {
  const { fetch } = globalThis;
  globalThis.fetch = async () => new Response();
  const membership = new Membership({ url: 'https://example.org' }, () => undefined);
  try {
    await body(membership, { people: { conversation: null }, checks: new Set(), established: true });
  } finally {
    membership.close(null);
    globalThis.fetch = fetch;
  }
}

test('of joins that are never confirmed and overtaken by others nothing is left', async () => {
  await unconfirmed(async (membership, peer) => {
    const joins: Promise<string>[] = [];
    for (let i = 0; i < 50; i++) {
      joins.push(
        membership
          .join(`room ${i}`, () => peer)
          .then(
            () => 'joined',
            (error) => error.code,
          ),
      );
      // So that each has been answered and waits to be confirmed.
      while (membership.conversation !== `room ${i}`) await new Promise((go) => setImmediate(go));
    }
    equal([membership.checks.size, peer.checks.size], [1, 0]);
    membership.close(null);
    equal([...new Set(await Promise.all(joins))], ['superseded']);
    equal([membership.checks.size, peer.checks.size], [0, 0]);
  });
});

test('nor of those that are confirmed late', async () => {
  await unconfirmed(async (membership, peer) => {
    const joining = membership.join('attic', () => peer);
    while (membership.conversation !== 'attic') await new Promise((go) => setImmediate(go));
    is(membership.checks.size, 1);
    peer.people.conversation = 'attic';
    membership.handle({ type: 'moved', conversation: 'attic' });
    await joining;
    is(membership.checks.size, 0);
  });
});

test.run();
