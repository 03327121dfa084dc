/** What is counted by user: how often they do something, and how many clients they have. */
import { is, ok, throws } from 'uvu/assert';
import { ClientsPerUser } from '../../../src/main/limits/clients-per-user.ts';
import { UserRates } from '../../../src/main/limits/user-rates.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rates');

/** Takes as many as there are. */
function drain(rates: UserRates, userid: string, now: number): number {
  let taken = 0;
  while (rates.take(userid, now)) taken++;
  return taken;
}

test('a user may do twice the rate at once, and the rate in the long run, whatever others do', () => {
  const rates = new UserRates(10, 100);
  is(drain(rates, 'ann', 0), 20);
  is(drain(rates, 'ben', 0), 20);
  is(drain(rates, 'ann', 500), 5);
  let taken = 0;
  for (let now = 500; now <= 10_500; now += 10) if (rates.take('ann', now)) taken++;
  ok(taken === 99 || taken === 100, String(taken));
});

test('a user is forgotten once that makes no difference, and not before', () => {
  const rates = new UserRates(10, 100);
  is(drain(rates, 'ann', 0), 20);
  rates.take('ben', 1999);
  is(rates.size, 2);
  is(drain(rates, 'ann', 1999), 19, 'not a bucket that begins anew');
  rates.take('ben', 3999);
  is(rates.size, 1);
  is(drain(rates, 'ann', 3999), 20);
});

test('who goes on although refused is not forgotten meanwhile', () => {
  const rates = new UserRates(1, 100);
  drain(rates, 'ann', 0);
  let taken = 0;
  for (let now = 0; now <= 10_000; now += 100) if (rates.take('ann', now)) taken++;
  ok(taken === 9 || taken === 10, String(taken));
});

test('no more users are remembered than allowed; the one longest idle goes first, never the one who asks', () => {
  const rates = new UserRates(10, 3);
  for (const user of ['ann', 'ben', 'cat']) drain(rates, user, 0);
  is(rates.take('ann', 0), false, 'the oldest, at the limit');
  ok(rates.take('dan', 0));
  is(rates.size, 3);
  is(rates.take('cat', 0), false);
  is(rates.take('ann', 0), false);
  ok(rates.take('ben', 0), 'forgotten');
  for (let i = 0; i < 1000; i++) rates.take(`user ${i}`, 1);
  is(rates.size, 3);
});

test('a user has as many clients as allowed; a known one may come again', () => {
  const clients = new ClientsPerUser(2);
  const claim = (userid: string, clientid: string): { userid: string; clientid: string } => ({ userid, clientid });
  clients.add(claim('ann', 'a'));
  ok(clients.hasRoom(claim('ann', 'b')));
  clients.add(claim('ann', 'b'));
  is(clients.hasRoom(claim('ann', 'c')), false);
  ok(clients.hasRoom(claim('ben', 'c')));
  ok(clients.hasRoom(claim('ann', 'a')));
  clients.add(claim('ann', 'a'));
  clients.remove(claim('ann', 'a'));
  is(clients.hasRoom(claim('ann', 'c')), false, 'the newer of the two is still there');
  clients.remove(claim('ann', 'a'));
  ok(clients.hasRoom(claim('ann', 'c')));
  clients.remove(claim('ann', 'a'));
  clients.remove(claim('ann', 'b'));
  is(clients.userCount, 0);
});

test('a client beyond the limit is refused with a detail that names the limit', () => {
  const clients = new ClientsPerUser(1);
  clients.makeSureOfRoom({ userid: 'ann', clientid: 'a' });
  clients.add({ userid: 'ann', clientid: 'a' });
  clients.makeSureOfRoom({ userid: 'ann', clientid: 'a' });
  throws(() => clients.makeSureOfRoom({ userid: 'ann', clientid: 'b' }), /All 1 connections/);
});

test.run();
