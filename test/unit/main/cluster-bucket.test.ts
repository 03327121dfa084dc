/** What an instance says of a bucket that somebody has changed. */
import { DiscardPolicy, type PeerInfo, type StreamConfig } from '@nats-io/jetstream';
import { is, match } from 'uvu/assert';
import { hasMajority, whatIsWrong } from '../../../src/main/cluster/bucket.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('bucket');
const SUBJECT = '$KV.sfu_users.>';
const AS_MADE = {
  ...{ name: 'KV_sfu_users', subjects: [SUBJECT], max_age: 0, max_msgs: -1, max_bytes: -1, max_msg_size: -1 },
  ...{ max_msgs_per_subject: 1, discard: DiscardPolicy.New, sealed: false },
} as unknown as StreamConfig;

test('a bucket as it is made is good, also with a quota of its disk', () => {
  is(whatIsWrong(AS_MADE, SUBJECT), null);
  is(whatIsWrong({ ...AS_MADE, max_bytes: 1e6, max_msgs: 1e6, max_msg_size: 1e6 }, SUBJECT), null);
});

for (const [property, value] of Object.entries({
  max_age: { max_age: 1e9 },
  discard: { discard: DiscardPolicy.Old, max_msgs: 3 },
  max_msg_size: { max_msg_size: 100 },
  max_msgs_per_subject: { max_msgs_per_subject: 5 },
  subjects: { subjects: ['$KV.other.>'] },
  sealed: { sealed: true },
})) {
  test(`a bucket whose ${property} was changed is not`, () => {
    const said = whatIsWrong({ ...AS_MADE, ...value } as StreamConfig, SUBJECT);
    match(said ?? '', `KV_sfu_users was changed (${property})`);
  });
}

test('the servers of a bucket have a majority if one leads and most are up to date', () => {
  const replicas = (...current: boolean[]): PeerInfo[] => current.map((one) => ({ current: one }) as PeerInfo);
  is(hasMajority(undefined), true, 'a single server');
  is(hasMajority({ leader: 'n0' }), true, 'one replica in a cluster');
  is(hasMajority({ leader: 'n0', replicas: replicas(true, true) }), true);
  is(hasMajority({ leader: 'n0', replicas: replicas(true, false) }), true, 'one of three is away');
  is(hasMajority({ leader: 'n0', replicas: replicas(false, false) }), false, 'it leads nobody');
  is(hasMajority({ replicas: replicas(true, true) }), false, 'nobody leads');
  is(hasMajority({ leader: '', replicas: replicas(true, true) }), false);
  is(hasMajority({ leader: 'n0', replicas: replicas(true, false, false, false) }), false, 'two of five');
});

test.run();
