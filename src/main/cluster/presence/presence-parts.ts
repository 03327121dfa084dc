/** What presence works with. */
import type { RemoteSources } from '../../conversations/remote-participant.ts';
import type { Seats } from '../../conversations/seats.ts';
import type { UserNumbers } from '../../conversations/user-numbers.ts';
import type { Timers } from '../../timers.ts';
import type { Bus } from '../bus.ts';
import type { Instances } from '../instances.ts';
import type { ReadCounts } from '../messages/read.ts';
import type { MediaRelay } from '../relay/interfaces.ts';
import type { Subjects } from '../subjects.ts';

export interface PresenceParts {
  readonly subjects: Subjects;
  /** Incarnation of this instance. */
  readonly self: string;
  /** The link for control messages. */
  readonly bus: Pick<Bus, 'connected' | 'publish' | 'subscribe' | 'watch'>;
  readonly instances: Pick<Instances, 'isAlive' | 'watch'>;
  readonly seats: Pick<Seats, 'observe'>;
  readonly sources: RemoteSources;
  /** The source table. */
  readonly table: Int32Array;
  readonly users: Pick<UserNumbers, 'take' | 'give'>;
  readonly relay: MediaRelay;
  /** For how many participants of other instances this process has room, and how many of these places are taken. */
  readonly room: { readonly size: number; taken: number };
  /** Counts messages that were dropped. */
  readonly counts: ReadCounts;
  readonly timers: Timers;
}
