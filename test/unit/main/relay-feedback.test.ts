/** Loss of packets between instances: from a listener's report here to the publisher's report there. */
import { equal, is } from 'uvu/assert';
import { noReadCounts, writeMessage } from '../../../src/main/cluster/messages/read.ts';
import { Feedback } from '../../../src/main/cluster/relay/feedback.ts';
import type { RemoteSource } from '../../../src/main/cluster/relay/interfaces.ts';
import { RelayedLoss } from '../../../src/main/rtcp/relayed-loss.ts';
import { connectionId } from '../../../src/workers/protocol.ts';
import { RecordingBus } from '../../support/recording-bus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('relay feedback');
const HERE = '0123456789ab';
const THERE = 'ba9876543210';

function setUp() {
  const bus = new RecordingBus();
  const read = noReadCounts();
  const losses = new Map<RemoteSource, number>();
  const noted: [number, number, number, number][] = [];
  const feedback = new Feedback({
    ...{ bus, read, incarnation: HERE, subject: (incarnation: string) => `to ${incarnation}` },
    rtcp: {
      lossOf: (source) => losses.get(source as RemoteSource) ?? 0,
      noteElsewhere: (...note) => void noted.push(note),
    },
  });
  const source = (id: number): RemoteSource & { id: number } => ({
    ...{ id, rtcp: new RelayedLoss(), seat: { current: null }, hear: () => undefined },
  });
  const told = (): unknown[] => bus.sent.splice(0).map(({ subject, data }) => [subject, JSON.parse(`${data}`)]);
  return { bus, read, losses, noted, feedback, source, told };
}

test('each second the instance of a source learns what its worst listener here loses, and once that it is over', () => {
  const { feedback, source, losses, told } = setUp();
  const [ann, bob, cem] = [source(1), source(2), source(3)];
  feedback.note(ann, THERE, 71);
  feedback.note(bob, THERE, 72);
  feedback.note(cem, 'cccccccccccc', 73);
  feedback.tick(0);
  equal(told(), []);
  losses.set(ann, 20).set(bob, 30).set(cem, 40);
  const all = [
    [
      `to ${THERE}`,
      {
        v: 1,
        from: HERE,
        loss: [
          [71, 20],
          [72, 30],
        ],
      },
    ],
    ['to cccccccccccc', { v: 1, from: HERE, loss: [[73, 40]] }],
  ];
  feedback.tick(0);
  equal(told(), all);
  feedback.tick(0);
  equal(told(), all);
  losses.clear();
  feedback.tick(0);
  equal(told(), [
    [
      `to ${THERE}`,
      {
        v: 1,
        from: HERE,
        loss: [
          [71, 0],
          [72, 0],
        ],
      },
    ],
    ['to cccccccccccc', { v: 1, from: HERE, loss: [[73, 0]] }],
  ]);
  feedback.tick(0);
  equal(told(), []);
});

test('a source that no worker knows any more loses nothing, and is found no longer', () => {
  const { feedback, source, losses, told } = setUp();
  const ann = source(connectionId(4, 1));
  feedback.note(ann, THERE, 71);
  losses.set(ann, 20);
  feedback.tick(0);
  told();
  is(feedback.find(ann.id), ann);
  is(feedback.find(connectionId(4, 2)), undefined);
  const { id } = ann;
  ann.id = -1;
  is(feedback.find(id), undefined);
  feedback.note(ann, THERE, 71);
  feedback.tick(0);
  equal(told(), [[`to ${THERE}`, { v: 1, from: HERE, loss: [[71, 0]] }]]);
  is((Reflect.get(feedback, 'heard') as unknown[]).filter((one) => one !== undefined).length, 0);
  ann.id = connectionId(4, 3);
  is(feedback.find(ann.id), undefined, 'not before its next packet');
  feedback.note(ann, THERE, 71);
  is(feedback.find(ann.id), ann);
  const heir = source(ann.id);
  feedback.note(heir, THERE, 72);
  is(feedback.find(ann.id), heir);
});

test('what another instance says counts for the sources of this one, by a number of that instance', () => {
  const { feedback, noted } = setUp();
  feedback.take(
    writeMessage({
      from: THERE,
      loss: [
        [5, 20],
        [6, 0],
      ],
    }),
    1234,
  );
  equal(noted, [
    [5, 0xba98765, 20, 1234],
    [6, 0xba98765, 0, 1234],
  ]);
});

test('what no instance says is dropped and counted', () => {
  const { feedback, noted, read } = setUp();
  const from = THERE;
  const bad: object[] = [
    {},
    { from },
    { from: 'me', loss: [] },
    { from, loss: [[1]] },
    { from, loss: [[-1, 3]] },
    { from, loss: [[1, 256]] },
    { from, loss: [[1, 0.5]] },
    { from, loss: Array.from({ length: 1001 }, () => [1, 1]) },
  ];
  for (const message of bad) feedback.take(writeMessage(message), 0);
  feedback.take(new Uint8Array([0xff, 0]), 0);
  equal([noted, read.malformed], [[], bad.length + 1]);
});

test('losses of very many sources are told in several messages', () => {
  const { feedback, source, losses, told } = setUp();
  for (let i = 0; i < 1500; i++) {
    const one = source(i);
    losses.set(one, 10);
    feedback.note(one, THERE, i);
  }
  feedback.tick(0);
  const lengths = (told() as [string, { loss: unknown[] }][]).map(([, { loss }]) => loss.length);
  equal(lengths, [1000, 500]);
});

test.run();
