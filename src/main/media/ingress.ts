/** The way of clients' packets to the workers, and what becomes of those that do not get there. */
import { MAX_PACKET_BYTES } from '../../rtp/packet.ts';
import { milliseconds, toStamp } from '../../workers/clock.ts';
import { type Throttle, Throttled } from '../limits/throttle.ts';
import type { Shard } from './shard.ts';
import { Traffic } from './traffic.ts';

/** Packets that did not reach a worker, by reason. */
export interface IngressDrops {
  /** The user is in no conversation, or on the way from one to the next. */
  notJoined: number;
  /** Larger than `MAX_RTP_BYTES`. */
  tooLong: number;
  /** It waited for longer than `MAX_DELAY_MS` while the main thread stood still. */
  late: number;
  /** More packets than `MAX_PACKETS_PER_SECOND`. */
  tooMany: number;
  /** More bits than `MAX_KBPS`. */
  tooMuch: number;
  /** The worker's ring was full. */
  ingressFull: number;
}

/** Whose packets come. */
export interface Publisher {
  readonly id: number;
  /** RTP packets that came, whatever became of them. */
  packetsReceived: number;
  readonly throttle: Throttle;
  readonly seat: { readonly shard: Pick<Shard, 'push'> | null };
}

export class Ingress {
  readonly drops: IngressDrops = { notJoined: 0, tooLong: 0, late: 0, tooMany: 0, tooMuch: 0, ingressFull: 0 };
  /** RTP as it came, whatever became of it. */
  readonly traffic = new Traffic();
  private readonly maxBytes: number;
  private readonly stall: { readonly late: boolean };
  private readonly clock: () => number;

  /**
   * @param maxBytes of one packet; the workers' memory is laid out for the default.
   * @param stall whether what comes now has waited for too long.
   * @param clock stamps, as of `toStamp`; read once a packet.
   */
  constructor(
    maxBytes = MAX_PACKET_BYTES,
    stall: { readonly late: boolean } = { late: false },
    clock: () => number = () => toStamp(milliseconds()),
  ) {
    this.maxBytes = maxBytes;
    this.stall = stall;
    this.clock = clock;
  }

  /** Takes one RTP packet. Allocates nothing. */
  take(publisher: Publisher, packet: Uint8Array): void {
    const { drops } = this;
    this.traffic.count(packet.length);
    publisher.packetsReceived++;
    const { shard } = publisher.seat;
    if (shard === null) drops.notJoined++;
    else if (packet.length > this.maxBytes) drops.tooLong++;
    else if (this.stall.late) drops.late++;
    else this.push(publisher, shard, packet);
  }

  /** Here and not in the worker, where a flood would have taken the ring's room from others already. */
  private push(publisher: Publisher, shard: Pick<Shard, 'push'>, packet: Uint8Array): void {
    const { drops } = this;
    const now = this.clock();
    switch (publisher.throttle.take(packet.length, now)) {
      case Throttled.Packets:
        drops.tooMany++;
        return;
      case Throttled.Bits:
        drops.tooMuch++;
        return;
      default:
        if (!shard.push(publisher.id, packet, now)) drops.ingressFull++;
    }
  }
}
