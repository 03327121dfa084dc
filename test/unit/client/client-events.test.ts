/** What the browser client’s listeners hear, and when. */
import { equal } from 'uvu/assert';
import { bundleClient } from '../../../client/build.ts';
import { Emitter } from '../../../client/src/emitter.ts';
import { People } from '../../../client/src/people.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client events');

interface Events {
  state: string;
  level: number;
  error: string;
}

class Source extends Emitter<Events> {
  constructor() {
    super(['state'], ['error']);
  }

  say<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    this.emit(name, value);
  }
}

const turn = (): Promise<void> => Promise.resolve();

test('every new listener hears the last of what says how things are, and nothing else', async () => {
  const source = new Source();
  source.say('state', 'connecting');
  source.say('state', 'connected');
  source.say('level', 1);
  const heard: unknown[] = [];
  source.on('level', (level) => heard.push(level));
  source.on('state', (state) => heard.push(['a', state]));
  source.on('state', (state) => heard.push(['b', state]));
  equal(heard, [], 'not before on() has returned');
  await turn();
  equal(heard.splice(0), [
    ['a', 'connected'],
    ['b', 'connected'],
  ]);
  source.on('state', (state) => heard.push(['c', state]));
  await turn();
  equal(heard, [['c', 'connected']], 'also where somebody has heard it');
});

test('what is newer takes the place of what a listener has not heard yet', async () => {
  const source = new Source();
  const heard: string[] = [];
  source.say('state', '1');
  source.on('state', (state) => heard.push(state));
  source.say('state', '2');
  await turn();
  equal(heard, ['2']);
  source.on('level', (level) => heard.push(String(level)));
  source.say('level', 3);
  await turn();
  equal(heard, ['2', '3'], 'and nothing comes twice');
});

test('a listener that is gone by then hears nothing, nor does one that waits for the next event', async () => {
  const source = new Source();
  source.say('state', 'connected');
  const heard: string[] = [];
  source.on('state', (state) => heard.push(state))();
  source.once('state', (state) => heard.push(state));
  await turn();
  equal(heard, []);
  source.say('state', 'closed');
  source.say('state', 'closed again');
  equal(heard, ['closed']);
  const second = (state: string): void => void heard.push(`second ${state}`);
  source.on('state', () => source.off('state', second));
  source.on('state', second);
  source.say('state', 'connecting');
  equal(heard, ['closed'], 'nor does one that another listener has just removed');
});

test('an error that nobody heard is told once', async () => {
  const source = new Source();
  source.say('error', 'lost');
  const heard: string[] = [];
  source.on('error', (error) => heard.push(`a ${error}`));
  source.on('error', (error) => heard.push(`b ${error}`));
  await turn();
  equal(heard.splice(0), ['a lost', 'b lost'], 'to all who came in the same turn');
  await turn();
  source.on('error', (error) => heard.push(`c ${error}`));
  await turn();
  equal(heard, []);
});

test('without a connection people are there, and quiet', () => {
  const people = new People();
  const person = { number: 7, userid: 'ann', clientid: 'tab', muted: true, speaking: true };
  people.take({
    ...{ type: 'snapshot', conversation: 'attic', number: 7, muted: true, silenced: true, deafened: false },
    ...{ pinned: [], excluded: [], dominant: 7, total: 3, complete: false, participants: [person] },
  });
  people.take({ type: 'slots', slots: [{ mid: '0', number: 7 }] });
  const quiet = people.quiet();
  equal([...quiet.participants.values()], [{ ...person, speaking: false }]);
  equal([quiet.slots.size, quiet.dominant], [0, 0]);
  equal([quiet.conversation, quiet.number, quiet.total, quiet.complete, quiet.silenced], ['attic', 7, 3, false, true]);
  equal([people.slots.size, people.dominant, people.participants.get(7)?.speaking], [1, 7, true], 'a copy');
});

test('the application is told when the server loses the others of its cluster, and when a connection is whole again', async () => {
  // Its types are those of a browser.
  const code = Buffer.from(await bundleClient({ entry: 'scene.ts' })).toString('base64');
  const { Scene } = await import(`data:text/javascript;base64,${code}`);
  const told: unknown[] = [];
  const scene = new Scene(
    { attach: () => undefined, assign: () => undefined, slots: [] },
    [],
    (name: string, value: unknown) => {
      if (name === 'cluster') told.push(value);
    },
    () => undefined,
  );
  const connect = (whole: boolean): People => {
    const people = new People();
    people.take({ type: 'cluster', whole });
    scene.take({ people });
    scene.show();
    return people;
  };
  const first = connect(true);
  equal(told, [], 'nothing is wrong');
  for (const whole of [false, false]) {
    first.take({ type: 'cluster', whole });
    scene.handle({ type: 'cluster', whole });
  }
  equal(told, [{ whole: false }]);
  scene.leave();
  equal(told, [{ whole: false }], 'nothing better is known');
  connect(false);
  connect(true);
  equal(told, [{ whole: false }, { whole: true }]);
});

test('the application is told once when a recording begins and ends, by an event or by a snapshot', async () => {
  const code = Buffer.from(await bundleClient({ entry: 'scene.ts' })).toString('base64');
  const { Scene } = await import(`data:text/javascript;base64,${code}`);
  const told: unknown[] = [];
  const tell = (name: string, value: unknown): unknown => name === 'recording' && told.push(value);
  const output = { attach: () => undefined, assign: () => undefined, slots: [] };
  const scene = new Scene(output, [], tell, () => undefined);
  const people = new People();
  scene.take({ people });
  scene.show();
  equal(told, []);
  const take = (event: Parameters<People['take']>[0]): void => {
    people.take(event);
    scene.handle(event);
  };
  for (const recording of [true, true, false, true]) take({ type: 'recording', recording });
  equal(told, [true, false, true]);
  const snapshot = {
    type: 'snapshot' as const,
    ...{ conversation: 'attic', number: 1, muted: false, silenced: false, deafened: false },
    ...{ pinned: [], excluded: [], dominant: 0, total: 0, complete: true, participants: [] },
  };
  take({ ...snapshot, recording: true });
  equal(told, [true, false, true]);
  take(snapshot);
  equal(told, [true, false, true, false], 'an older server does not say it');
});

test.run();
