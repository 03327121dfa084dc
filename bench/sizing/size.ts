/** Calculates what a service of a certain size takes. Pure. */
import {
  BUFFER_S,
  CONNECTIONS_PER_PORT,
  HEADER_BYTES,
  IDLE_US,
  KERNEL_BYTES,
  MAIN_SHARE,
  MEMORY_MIB,
  RECEIVED_US,
  SENT_US,
  VOICE_BPS,
} from './figures.ts';

export interface Demand {
  /** Conversations of this kind. */
  readonly rooms: number;
  /** People in each who talk at the same time. Each of them also listens. */
  readonly speakers: number;
  /** People in each who listen and do not talk now. */
  readonly listeners: number;
  /** Slots that each of them has. */
  readonly slots: number;
  /** Milliseconds of speech in a packet (`PTIME_MS`). */
  readonly ptime: number;
}

export interface Size {
  readonly connections: number;
  /** Packets a second. */
  readonly packets: { readonly received: number; readonly sent: number };
  /** Bits a second on the wire; `redSent` with `RED=both`. Publishers send RED by default. */
  readonly bits: { readonly received: number; readonly sent: number; readonly redSent: number };
  /** Of all instances together. */
  readonly cores: number;
  /** Main threads that are needed, each with its share of load; an instance has one. */
  readonly instances: number;
  /** Of each instance. */
  readonly each: {
    readonly connections: number;
    /** Load of the main thread, 0 … 1. */
    readonly main: number;
    readonly cores: number;
    readonly memoryMiB: number;
    readonly mediaPorts: number;
    /** `net.core.rmem_max` at least, bytes. */
    readonly receiveBuffer: number;
  };
}

export function sizeOf({ rooms, speakers, listeners, slots, ptime }: Demand): Size {
  const perSecond = 1000 / ptime;
  const connections = rooms * (speakers + listeners);
  const received = rooms * speakers * perSecond;
  const heard = listeners * Math.min(slots, speakers) + speakers * Math.min(slots, Math.max(0, speakers - 1));
  const sent = rooms * heard * perSecond;
  const header = HEADER_BYTES * 8;
  const bits = {
    received: received * header + rooms * speakers * VOICE_BPS.red,
    sent: sent * header + rooms * heard * VOICE_BPS.opus,
    redSent: sent * header + rooms * heard * VOICE_BPS.red,
  };
  const load = (of: 'all' | 'main'): number =>
    (sent * SENT_US[of] + received * RECEIVED_US[of] + connections * IDLE_US[of]) / 1e6;
  const instances = Math.max(1, Math.ceil(load('main') / MAIN_SHARE));
  const share = Math.ceil(connections / instances);
  const mediaPorts = Math.max(4, Math.ceil(share / CONNECTIONS_PER_PORT));
  return {
    connections,
    packets: { received, sent },
    bits,
    cores: load('all'),
    instances,
    each: {
      connections: share,
      main: load('main') / instances,
      cores: load('all') / instances,
      memoryMiB: MEMORY_MIB.instance + share * MEMORY_MIB.connection,
      mediaPorts,
      receiveBuffer: Math.ceil((received / instances) * BUFFER_S * KERNEL_BYTES),
    },
  };
}
