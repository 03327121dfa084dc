/** The users of a conversation: how many participants each has, who can be heard, and who is forgotten. */
import { equal, is } from 'uvu/assert';
import { OPUS_CLOCK_RATE } from '../../../src/rtp/packet.ts';
import type { ParticipantInfo } from '../../../src/workers/participant.ts';
import { Users } from '../../../src/workers/users.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('users');
const PUBLICATION = { payloadType: 111, redPayloadType: 0, levelExtension: 1, ssrcs: [] };

function participant(user: number, slots: number, publishes = false): ParticipantInfo {
  const rows = Array.from({ length: slots }, (_, i) => i);
  const publication = publishes ? PUBLICATION : null;
  return { ...{ connection: 1, user, number: 1, muted: false, deafened: false }, publication, rows };
}

test('a user is heard by whoever else has slots', () => {
  const users = new Users();
  const heard = (): boolean[] => [1, 2, 3].map((user) => users.hear(user));
  const [ann, bob] = [participant(1, 2), participant(2, 1)];
  equal(heard(), [false, false, false]);
  users.add(participant(3, 0, true));
  equal(heard(), [false, false, false], 'a microphone hears nobody');
  users.add(ann);
  users.add(ann);
  equal(heard(), [false, true, true], 'nor does anybody hear themselves');
  users.add(bob);
  equal(heard(), [true, true, true]);
  users.remove(ann);
  users.remove(ann);
  equal(heard(), [true, false, true]);
  users.remove(bob);
  equal(heard(), [false, false, false]);
});

test('participants and publishers are counted by their users', () => {
  const users = new Users();
  const [talks, listens] = [participant(1, 1, true), participant(1, 1)];
  const counts = (): number[] => [users.participantsOf(1), users.publishersOf(1)];
  users.add(talks);
  users.add(listens);
  equal(counts(), [2, 1]);
  users.remove(talks);
  equal(counts(), [1, 0]);
  equal([users.participantsOf(2), users.publishersOf(2)], [0, 0]);
});

test('a user who left keeps what is left of the right to take slots, until it is whole', () => {
  const users = new Users();
  const ann = participant(1, 1);
  const captures = users.add(ann);
  captures.take(0);
  users.remove(ann);
  users.forgetDeparted(OPUS_CLOCK_RATE - 1);
  is(users.add(ann), captures);
  users.forgetDeparted(100 * OPUS_CLOCK_RATE);
  is(users.participantsOf(1), 1, 'who is back is not forgotten');
  users.remove(ann);
  users.forgetDeparted(2 * OPUS_CLOCK_RATE);
  is(users.add(ann) === captures, false);
});

test.run();
