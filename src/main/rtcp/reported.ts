/** What the reports need of the connections. */
import { randomInt } from 'node:crypto';
import type { Publication } from '../../workers/protocol.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import { type SlotWatch, WorstListener } from './loss.ts';
import { Quality } from './quality.ts';
import { Uplink } from './uplink.ts';

/** Packets read from one client a second, and at once. Browsers send one or two per stream. */
const MAX_PACKETS_A_SECOND = 20;

/** The RTCP state of one connection. */
export class RtcpState {
  readonly quality = new Quality();
  readonly uplink = new Uplink();
  readonly worst = new WorstListener();
  /** By slot. */
  readonly slots: SlotWatch[] = [];
  /** The SSRC of reports to a client without slots. */
  readonly ssrc = randomInt(1, 2 ** 32);
  /** When the next report is due, milliseconds; 0 before the first tick sets it. */
  dueAt = 0;
  /** Whether its RTP comes: whether any came between the last two looks. Somebody muted sends none. */
  publishing = false;
  /** When something came last, as far as reports and looks can tell; milliseconds, 0 before the first of them. */
  heardAt = 0;
  private packetsSeen = 0;
  private readonly bucket = new TokenBucket(MAX_PACKETS_A_SECOND, MAX_PACKETS_A_SECOND);

  /** Counts a packet. @returns whether it may be read. */
  admit(now: number): boolean {
    return this.bucket.take(now);
  }

  /** Looks whether RTP comes. @param packets that have come so far. */
  look(packets: number, now: number): void {
    this.publishing = packets !== this.packetsSeen;
    this.packetsSeen = packets;
    if (this.publishing || this.heardAt === 0) this.heardAt = now;
  }
}

/** Whose packets are reported on: a connection, or a source of another instance. */
export interface ReportedPublisher {
  readonly id: number;
  readonly seat: { readonly current: object | null };
  readonly rtcp: {
    readonly worst: WorstListener;
    /** `fraction` is its own loss on its way to its instance, 0 … 255. */
    readonly uplink: { readonly fraction: number };
  };
}

/** A conversation as the reports see it. */
export interface ReportedConversation {
  /** By their numbers, which are the CSRCs in its slots. */
  readonly participants: ReadonlyMap<number, { readonly id: number }>;
}

/** A connection as the reports see it. */
export interface Reported {
  readonly id: number;
  readonly index: number;
  readonly established: boolean;
  readonly publication: Publication | null;
  readonly slotCount: number;
  /** RTP packets that came in. */
  readonly packetsReceived: number;
  readonly seat: { readonly current: ReportedConversation | null };
  readonly rtcp: RtcpState;
  send(packet: Uint8Array): boolean;
}
