/** The queue of webhooks: order within a conversation, and none between different ones. */
import { equal, is, ok } from 'uvu/assert';
import { Lanes } from '../../../src/main/hooks/lanes.ts';
import { RecentEvents } from '../../../src/main/hooks/recent.ts';
import type { WebhookEvent } from '../../../src/main/hooks/schema.ts';
import { signature } from '../../../src/main/hooks/signature.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('hook lanes');

interface Item {
  readonly name: string;
  readonly lanes: readonly string[];
}
const item = (name: string, ...lanes: string[]): Item => ({ name, lanes });
const names = (items: readonly Item[] | null): string[] | null => items?.map(({ name }) => name) ?? null;

test('what is in one lane goes together, and the rest of it waits until that is released', () => {
  const lanes = new Lanes<Item>();
  for (const name of ['1', '2', '3']) lanes.add(item(name, 'a'));
  const first = lanes.take(2)!;
  equal(names(first), ['1', '2']);
  is(lanes.take(2), null);
  is(lanes.size, 3);
  lanes.release(first);
  is(lanes.size, 1);
  equal(names(lanes.take(2)), ['3']);
});

test('lanes do not wait for each other', () => {
  const lanes = new Lanes<Item>();
  for (const lane of ['a', 'b', 'a', 'c']) lanes.add(item(`${lane}${lanes.size}`, lane));
  const taken = [lanes.take(9)!, lanes.take(9)!, lanes.take(9)!];
  equal(taken.map(names), [['a0', 'a2'], ['b1'], ['c3']]);
  is(lanes.take(9), null);
  lanes.release(taken[1]!);
  lanes.add(item('b4', 'b'));
  equal(names(lanes.take(9)), ['b4']);
});

test('what is in two lanes waits until it is the first in both', () => {
  const lanes = new Lanes<Item>();
  lanes.add(item('a', 'a'));
  lanes.add(item('b', 'b'));
  lanes.add(item('a to b', 'a', 'b'));
  lanes.add(item('b later', 'b'));
  const a = lanes.take(9)!;
  equal(names(a), ['a']);
  const b = lanes.take(9)!;
  equal(names(b), ['b']);
  lanes.release(a);
  is(lanes.take(9), null, 'b is still closed');
  lanes.release(b);
  equal(names(lanes.take(9)), ['a to b']);
  is(lanes.take(9), null, 'both are closed');
});

test('a move goes along with what is before it in its only busy lane', () => {
  const lanes = new Lanes<Item>();
  lanes.add(item('a', 'a'));
  lanes.add(item('a to b', 'a', 'b'));
  lanes.add(item('b', 'b'));
  lanes.add(item('a too', 'a'));
  const all = lanes.take(9)!;
  equal(names(all), ['a', 'a to b', 'a too']);
  is(lanes.take(9), null);
  lanes.release(all);
  equal(names(lanes.take(9)), ['b']);
});

test('whatever is added and released in whatever order, each lane is left in order, and nothing stays', () => {
  const random = prng(seed('hook lanes'));
  const pick = (limit: number): number => below(random, limit);
  const lanes = new Lanes<Item & { readonly number: number }>();
  const left = new Map<string, number>();
  const open: (Item & { readonly number: number })[][] = [];
  let released = 0;
  const release = (): void => {
    const [items] = open.splice(pick(open.length), 1);
    for (const { lanes: keys, number } of items!) {
      released++;
      for (const key of keys) {
        ok((left.get(key) ?? -1) < number, `${number} in ${key}`);
        left.set(key, number);
      }
    }
    lanes.release(items!);
  };
  for (let number = 0; number < 3000; number++) {
    const keys = new Set([String(pick(6)), ...(pick(4) === 0 ? [String(pick(6))] : [])]);
    lanes.add({ name: '', lanes: [...keys], number });
    while (pick(3) === 0) {
      const items = lanes.take(1 + pick(5));
      if (items === null) break;
      open.push(items);
    }
    if (open.length > 0 && pick(2) === 0) release();
  }
  for (;;) {
    for (let items = lanes.take(5); items !== null; items = lanes.take(5)) open.push(items);
    if (open.length === 0) break;
    release();
  }
  is(released, 3000);
  is(lanes.size, 0);
});

test('a signature is that of the time and the body, with each secret', () => {
  // printf %s '1700000000.{}' | openssl dgst -sha256 -hmac one-secret
  equal(signature(['one-secret', 'another-secret'], 1_700_000_000, '{}').split(','), [
    't=1700000000',
    'v1=be1a2738f2c15b839d3ca46f3b9000f7a8f870df7ffed0d96340545fdb45c9c9',
    'v1=da72adc41c04276b4a561c4e114f29e801c71e1d11f5d41a6b540d4955b4594d',
  ]);
});

test('of events that another instance sends, the latest are kept, for half a minute', () => {
  const recent = new RecentEvents(3);
  const add = (at: number): void => recent.add({ event: { id: `${at}` } as WebhookEvent, lanes: [], at });
  const take = (since: number): number[] => recent.take(since).map(({ at }) => at);
  for (let at = 1; at <= 10; at++) add(at);
  equal(take(0), [8, 9, 10]);
  equal(take(0), []);
  for (const at of [11, 12]) add(at);
  equal(take(12), [12]);
  for (const at of [20, 30_000, 50_001]) add(at);
  recent.forget(50_020);
  equal(take(0), [30_000, 50_001]);
});

test.run();
