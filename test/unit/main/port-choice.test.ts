import { equal, is, ok } from 'uvu/assert';
import { PortChoice, remote } from '../../../src/main/media/port-choice.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('choice of the media port');

test('a client never gets the port of its predecessor, nor of whoever has its address', () => {
  const ports = new PortChoice([1, 2, 3, 4]);
  const others = ['a', 'b', 'c', 'd'].map((client, i) => ports.take(client, [remote('192.0.2.1', 5000 + i)]));
  equal(others.map(({ port }) => port).sort(), [1, 2, 3, 4]);
  for (const [i, client] of ['a', 'b', 'c', 'd'].entries()) {
    is.not(ports.take(client, []).port, others[i]!.port, 'the client itself');
    is.not(ports.take(`new ${client}`, [remote('192.0.2.1', 5000 + i)]).port, others[i]!.port, 'a stranger from there');
  }
});

/** Takes a port for each of these, as `client` or `client@host`. */
function takeAll(ports: PortChoice, ...words: string[]): ReturnType<PortChoice['take']>[] {
  return words.map((word, i) => {
    const [client, host] = word.split('@');
    return ports.take(client!, host === undefined ? [] : [remote(host, 1000 + i)]);
  });
}

test('what counts, in this order: who is there, where the client was, its host, the load, and how long ago', () => {
  const four = new PortChoice([1, 2, 3, 4]);
  const [first] = takeAll(four, 'a');
  for (let i = 0; i < 3; i++) four.take('a', []).give();
  is.not(four.take('a', []).port, first!.port, 'where it stands, though that was longest ago');

  const past = new PortChoice([1, 2]);
  const [was] = takeAll(past, 'a@x', 'b@x', 'c@x', 'd@x');
  was!.give();
  is.not(takeAll(past, 'a@x')[0]!.port, was!.port, 'where it was, though fewer of its host are there');

  const hosts = new PortChoice([1, 2]);
  const [of, , third] = takeAll(hosts, 'a@x', 'b@o', 'c@p', 'd@q');
  third!.give();
  is.not(takeAll(hosts, 'e@x')[0]!.port, of!.port, 'where its host is, though fewer are there');

  const seen = new PortChoice([1, 2]);
  const [at, , also] = takeAll(seen, 'a', 'b', 'c', 'd');
  at!.add(remote('x', 1));
  also!.give();
  is.not(takeAll(seen, 'e@x')[0]!.port, at!.port, 'the same where it was seen only later');

  const load = new PortChoice([1, 2]);
  const [one, , other] = takeAll(load, 'a', 'b', 'c', 'd');
  one!.give();
  other!.give();
  is(takeAll(load, 'e')[0]!.port, one!.port, 'where nobody is, though it was given last');

  const age = new PortChoice([1, 2]);
  const [only] = takeAll(age, 'a');
  only!.give();
  is.not(takeAll(age, 'b')[0]!.port, only!.port, 'what was free longest');
});

test('an address is the same in either case', () => is(remote('FD00::A', '9'), remote('fd00::a', 9)));

test('attempts that end one after the other go through all ports', () => {
  const ports = new PortChoice([1, 2, 3, 4]);
  const got = Array.from({ length: 4 }, () => {
    const lease = ports.take('unlucky', []);
    lease.give();
    return lease.port;
  });
  equal(got.sort(), [1, 2, 3, 4]);
});

test('as many clients behind one address and port as there are ports get one each, also where it is seen only later', () => {
  const ports = new PortChoice([1, 2, 3, 4]);
  const got = ['a', 'b', 'c', 'd'].map((client) => {
    const lease = ports.take(client, [remote('10.0.0.1', 9)]);
    lease.add(remote('198.51.100.1', 4000));
    return lease.port;
  });
  equal(got.sort(), [1, 2, 3, 4]);
});

test('each port gets two connections, then one after the other is filled, and evenly once all are crowded', () => {
  const ports = new PortChoice([1, 2, 3]);
  const loads = (): number[] => [1, 2, 3].map((port) => leases.filter((lease) => lease.port === port).length).sort();
  const leases: ReturnType<PortChoice['take']>[] = [];
  let clients = 0;
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++) leases.push(ports.take(`client ${clients++}`, []));
  };
  fill(3);
  equal(loads(), [1, 1, 1]);
  fill(3);
  equal(loads(), [2, 2, 2]);
  fill(126);
  equal(loads(), [128, 2, 2]);
  fill(100);
  equal(loads(), [102, 128, 2]);
  fill(26 + 126 + 30);
  equal(loads(), [138, 138, 138]);
  const least = leases.find(({ port }) => port === 2)!;
  least.give();
  leases.splice(leases.indexOf(least), 1);
  fill(1);
  equal(loads(), [138, 138, 138], 'the least crowded');
});

test('the first clients of a host are spread evenly, the rest go where the others go', () => {
  const ports = new PortChoice([1, 2, 3]);
  const got = Array.from({ length: 40 }, (_, i) => ports.take(`${i}`, [remote('192.0.2.1', i)]).port);
  const first = got.slice(0, 24);
  equal(
    [1, 2, 3].map((port) => first.filter((one) => one === port).length),
    [8, 8, 8],
  );
  is(new Set(got.slice(24)).size, 1);
});

test('one port serves all, and nothing is kept of who is gone', () => {
  const ports = new PortChoice([1, 2]);
  const leases = Array.from({ length: 100 }, (_, i) => ports.take(`client ${i}`, [remote(`192.0.2.${i}`, i)]));
  for (const lease of leases) {
    for (let i = 0; i < 2; i++) lease.add(remote('203.0.113.1', 1));
    lease.give();
    lease.give();
    lease.add(remote('192.0.2.1', 1));
  }
  is((ports as unknown as { marks: Map<string, unknown> }).marks.size, 0);
  for (let i = 0; i < 10_000; i++) ports.take(`${i}`, []).give();
  ok((ports as unknown as { recent: Map<string, unknown> }).recent.size <= 4096);
  const kept = new PortChoice([1, 2]);
  for (let i = 0; i < 4096; i++) kept.take(`${i}`, []).give();
  for (const client of ['0', 'another']) kept.take(client, []).give();
  ok((kept as unknown as { recent: Map<string, unknown> }).recent.has('0'), 'whoever came again is no old one');
  const one = new PortChoice([7]);
  for (let i = 0; i < 3; i++) is(one.take('same', [remote('192.0.2.1', 1)]).port, 7);
});

test.run();
