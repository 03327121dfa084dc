/** The way of clients' packets to the workers, and what becomes of those that do not get there. */
import { MAX_PACKET_BYTES } from '../../rtp/packet.ts';
import type { Shard } from '../media/shard.ts';
import { Traffic } from '../media/traffic.ts';

/** Packets that did not reach a worker, by reason. */
export interface IngressDrops {
  /** The user is in no conversation, or on the way from one to the next. */
  notJoined: number;
  tooLong: number;
  /** It waited for longer than `MAX_DELAY_MS` while the main thread stood still. */
  late: number;
  /** The worker's ring was full. */
  ingressFull: number;
}

/** Whose packets come. */
export interface Publisher {
  readonly id: number;
  /** RTP packets that came, whatever became of them. */
  packetsReceived: number;
  readonly seat: { readonly shard: Pick<Shard, 'push'> | null };
}

export class Ingress {
  readonly drops: IngressDrops = { notJoined: 0, tooLong: 0, late: 0, ingressFull: 0 };
  /** RTP as it came, whatever became of it. */
  readonly traffic = new Traffic();
  private readonly stall: { readonly late: boolean };

  /** @param stall whether what comes now has waited for too long. */
  constructor(stall: { readonly late: boolean } = { late: false }) {
    this.stall = stall;
  }

  /** Takes one RTP packet. Allocates nothing. */
  take(publisher: Publisher, packet: Uint8Array): void {
    const { drops } = this;
    this.traffic.count(packet.length);
    publisher.packetsReceived++;
    const { shard } = publisher.seat;
    if (shard === null) drops.notJoined++;
    else if (packet.length > MAX_PACKET_BYTES) drops.tooLong++;
    else if (this.stall.late) drops.late++;
    else if (!shard.push(publisher.id, packet)) drops.ingressFull++;
  }
}
