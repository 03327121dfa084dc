/** What an instance that drains does itself, and what it leaves to the next one: the corners of the rule. */
import { equal, is, throws } from 'uvu/assert';
import { RequestError } from '../../../src/main/errors.ts';
import { Draining } from '../../../src/main/memberships/draining.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('draining');

function setUp() {
  const connected = new Set<string>();
  const draining = new Draining({ isConnected: (userid) => connected.has(userid), isIn: () => false });
  draining.begin();
  const made: string[] = [];
  const act = (): undefined => {
    made.push('made');
  };
  return { draining, connected, made, act };
}

test('a refused attempt to connect does not count for a user who was still connecting here', () => {
  const { draining, connected, made, act } = setUp();
  throws(() => draining.connect('ann'), /another instance/);
  connected.add('ann');
  is(draining.join('ann', 'kitchen', act), undefined);
  equal(made, ['made']);
});

test('of a change that the next instance makes as well, refusals are ignored and faults are not', () => {
  const { draining, connected } = setUp();
  connected.add('ann');
  throws(() => draining.connect('ann'));
  const fails = (error: Error) => (): undefined => {
    throw error;
  };
  throws(() => draining.join('ann', 'kitchen', fails(new RequestError('full', 'no room'))), /another instance/);
  throws(() => draining.join('ann', 'kitchen', fails(new TypeError('a bug'))), /a bug/);
});

test.run();
