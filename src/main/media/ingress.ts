/** The way of packets to the workers and to the taps, and what becomes of those that do not get there. */
import { MAX_PACKET_BYTES } from '../../rtp/packet.ts';
import { milliseconds, toStamp } from '../../workers/clock.ts';
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import { type Throttle, Throttled } from '../limits/throttle.ts';
import type { Shard } from './shard.ts';
import { Traffic } from './traffic.ts';
import type { WakeGate } from './wake-gate.ts';

/** Packets that did not reach a worker, by reason. No tap gets them either. */
export interface IngressDrops {
  /** The publisher is in no conversation, or on its way from one to the next. */
  notJoined: number;
  /** Larger than `MAX_RTP_BYTES`. */
  tooLong: number;
  /** It waited longer than `MAX_DELAY_MS` because the main thread was blocked. */
  late: number;
  /** More packets than `MAX_PACKETS_PER_SECOND`. */
  tooMany: number;
  /** More bits than `MAX_KBPS`. */
  tooMuch: number;
  /** The worker's ring was full. */
  ingressFull: number;
}

/** The origin of packets: a client's connection, or a participant of another instance. */
export interface Publisher {
  readonly id: number;
  readonly claim: Claim;
  /** Whether it is a client's connection. */
  readonly isClient: boolean;
  /** If muted, the worker forwards nothing of it; the taps get its packets all the same. */
  readonly muted: boolean;
  readonly publication: Publication | null;
  /** What RTCP knows of it; none of a source without a peer. `fraction` is its loss on the way here, 0 … 255. */
  readonly rtcp?: { readonly uplink: { readonly fraction: number } };
  /** RTP packets that came in, dropped ones included. */
  packetsReceived: number;
  readonly throttle: Throttle;
  readonly seat: {
    /** Its number in the conversation, 0 in none. */
    readonly number: number;
    readonly shard: Pick<Shard, 'push'> | null;
    /** The conversation that it is in. */
    readonly current: { readonly conversation: { readonly key: number } } | null;
  };
}

/**
 * A second reader of the packets that the workers get: a recorder, or the outgoing side of a cluster.
 *
 * A tap that throws is detached, and never gets a packet again; workers and other taps get theirs all the same.
 */
export interface PacketTap {
  /**
   * Takes a packet that a worker has taken: one RTP packet as it came in, behind the throttle. Called for every such
   * packet on the main thread, so it must be quick and should allocate nothing.
   *
   * @param bytes to be neither changed nor kept; a tap copies what it needs later.
   * @param stamp when the packet came in, of `toStamp`.
   */
  packet(publisher: Publisher, bytes: Uint8Array, stamp: number): void;
}

export interface IngressOptions {
  /** Longest packet that is taken, bytes. The workers' memory is laid out for the default. */
  readonly maxBytes?: number;
  /** Whether packets that come in now have waited too long. */
  readonly stall?: { readonly late: boolean };
  /** Stamps, of `toStamp`; read once a packet. */
  readonly clock?: () => number;
  readonly taps?: readonly PacketTap[];
  /** Is told of each packet that a worker has taken, last of all. */
  readonly taken?: () => void;
  /** Tells which packets wake their workers; all by default. */
  readonly gate?: Pick<WakeGate, 'wakes'>;
  /** Gets the error of a tap that threw and was detached. Must not throw. */
  readonly tapFailed?: (error: unknown, tap: PacketTap) => void;
}

export class Ingress {
  readonly drops: IngressDrops = { notJoined: 0, tooLong: 0, late: 0, tooMany: 0, tooMuch: 0, ingressFull: 0 };
  /** RTP that came in, dropped packets included. */
  readonly traffic = new Traffic();
  private readonly maxBytes: number;
  private readonly stall: { readonly late: boolean };
  private readonly clock: () => number;
  private readonly gate: Pick<WakeGate, 'wakes'>;
  private readonly taken: () => void;
  private readonly tapFailed: (error: unknown, tap: PacketTap) => void;
  /** Those that have not thrown. */
  private taps: readonly PacketTap[];

  constructor(options: IngressOptions = {}) {
    this.maxBytes = options.maxBytes ?? MAX_PACKET_BYTES;
    this.stall = options.stall ?? { late: false };
    this.clock = options.clock ?? (() => toStamp(milliseconds()));
    this.gate = options.gate ?? { wakes: () => true };
    this.taken = options.taken ?? (() => undefined);
    this.taps = options.taps ?? [];
    this.tapFailed = options.tapFailed ?? (() => undefined);
  }

  /** Adds a tap. */
  attach(tap: PacketTap): void {
    this.taps = [...this.taps, tap];
  }

  /** Takes a tap away. Has no effect on one that is not there. */
  detach(tap: PacketTap): void {
    this.taps = this.taps.filter((one) => one !== tap);
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

  /** Throttles here rather than in the worker: there a flood would already have taken the others' room in the ring. */
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
      default: {
        const wakes = this.gate.wakes(publisher.id, publisher.publication, packet);
        if (!shard.push(publisher.id, packet, now, wakes)) drops.ingressFull++;
        else {
          if (this.taps.length > 0) this.tap(publisher, packet, now);
          this.taken();
        }
      }
    }
  }

  private tap(publisher: Publisher, packet: Uint8Array, stamp: number): void {
    const { taps } = this;
    for (let i = 0; i < taps.length; i++) {
      const tap = taps[i]!;
      try {
        tap.packet(publisher, packet, stamp);
      } catch (error) {
        this.detach(tap);
        this.tapFailed(error, tap);
      }
    }
  }
}
