import { equal, is, ok } from 'uvu/assert';
import { PortChoice, remote } from '../src/main/media/port-choice.ts';
import { scenarios } from './support/scenario.ts';

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

test('loads stay even, one port serves all, and nothing is kept of who is gone', () => {
  const ports = new PortChoice([1, 2]);
  const leases = Array.from({ length: 100 }, (_, i) => ports.take(`client ${i}`, [remote(`192.0.2.${i}`, i)]));
  is(leases.filter(({ port }) => port === 1).length, 50);
  for (const lease of leases) {
    lease.give();
    lease.give();
    lease.add(remote('192.0.2.1', 1));
  }
  is((ports as unknown as { marks: Map<string, unknown> }).marks.size, 0);
  for (let i = 0; i < 10_000; i++) ports.take(`${i}`, []).give();
  ok((ports as unknown as { recent: Map<string, unknown> }).recent.size <= 4096);
  const one = new PortChoice([7]);
  for (let i = 0; i < 3; i++) is(one.take('same', [remote('192.0.2.1', 1)]).port, 7);
});

test.run();
