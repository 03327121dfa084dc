/** What the relay of media did so far. */
import { Histogram } from '../../histogram.ts';
import { Traffic } from '../../media/traffic.ts';
import { noReadCounts } from '../messages/read.ts';

/** Bounds of {@link RelayCounts.delay}, seconds. */
export const DELAY_BOUNDS = [2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Packets that were not relayed, by reason. */
export interface RelayDrops {
  /** Out: it waited longer than `MAX_DELAY_MS` for NATS, which took nothing. */
  late: number;
  /** Out: NATS could not be reached. */
  disconnected: number;
  /** Out: too much was waiting for NATS, and it was the oldest. */
  queue: number;
  /** In: no participant has its source. */
  unknownSource: number;
  /** In: a message, or the rest of one, that no instance writes. */
  malformed: number;
  /** In: it was under way for longer than `MAX_DELAY_MS`. */
  tooOld: number;
}

export class RelayCounts {
  /** Packets and their bytes that NATS was given, each once, however many instances get it. */
  readonly out = new Traffic();
  /** Packets and their bytes that came from other instances and went on to a worker. */
  readonly in = new Traffic();
  readonly drops: RelayDrops = { late: 0, disconnected: 0, queue: 0, unknownSource: 0, malformed: 0, tooOld: 0 };
  /** Announcements and reports of loss that were dropped. */
  readonly read = noReadCounts();
  /** Messages to NATS and from it. */
  messagesOut = 0;
  messagesIn = 0;
  /**
   * Time from a packet's arrival at its own instance to its arrival here. Clocks are not compared: it is the time beyond
   * that of the fastest packet, plus half of the fastest round trip of that instance's heartbeats.
   */
  readonly delay = new Histogram(DELAY_BOUNDS, 1e6);
}
