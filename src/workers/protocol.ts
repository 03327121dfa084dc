/**
 * Everything that crosses between the main thread and a worker, and nothing else.
 *
 * Packets travel in the rings, numbering in the slot table, counts in the counters; commands and reports travel on the
 * control port. No string ever crosses: conversations and users are numbers that main gives out.
 */
import type { MessagePort } from 'node:worker_threads';
import { MAX_PACKET_BYTES } from '../rtp/packet.ts';
import { BELL_BYTES } from './bell.ts';
import { type RingLocation, ringBytes } from './ring.ts';

/** Most connections that ids have room for: the low 16 bits of an id. */
export const MAX_CONNECTION_INDEX = 0xffff;

/**
 * The id of a connection: an index that is used again after the connection ended, and a generation that tells its
 * users apart, so that a packet that was under way when a connection ended can never be taken for its successor's.
 */
export function connectionId(index: number, generation: number): number {
  return ((generation & 0x7fff) << 16) | index;
}

/** The index in a connection's id, 0 … {@link MAX_CONNECTION_INDEX}. */
export function connectionIndex(id: number): number {
  return id & MAX_CONNECTION_INDEX;
}

/** Why the worker did not forward a packet; each indexes one counter. */
export const Drop = {
  /** The connection is not, or no longer, in a conversation of this worker. */
  NotJoined: 0,
  /** Not a whole RTP version 2 packet (RFC 3550, section 5.1), or one without a payload or with one that is too long. */
  Malformed: 1,
  /** A payload type that this connection's offer gave neither to Opus nor to RED. */
  WrongPayloadType: 2,
  /** Another SSRC than the one in use. */
  UnknownSsrc: 3,
  Duplicate: 4,
  /** Too far behind the newest packet of its source. */
  TooOld: 5,
  /** No listener's slot carries this source. */
  Unheard: 6,
  /** From before the slot's switch to this source; counted once a slot. */
  BeforeSwitch: 7,
  /** The egress ring had no room; counted once a listener's packet. */
  EgressFull: 8,
  /** The publisher has muted itself. */
  Muted: 9,
  /** Not a RED payload (RFC 2198) in which every block is Opus. */
  BadRed: 10,
  /** It lay in front of a worker that ended; up to a batch of these was forwarded all the same. */
  WorkerEnded: 11,
} as const;
export type DropReason = keyof typeof Drop;

/** Counters of one worker, 32-bit words that wrap: one for each {@link Drop}, then these. */
export const Count = {
  /** Packets taken from the ingress ring. */
  PacketsIn: 16,
  /** Packets put into the egress ring. */
  PacketsOut: 17,
  /** Slots that changed their source. */
  Switches: 18,
  /** Frames of silence put into slots whose speaker stopped. */
  Silence: 19,
  /** Lost packets that were rebuilt from the redundancy of a later one. */
  Rebuilt: 20,
  /** Microseconds that the thread was awake. */
  BusyMicros: 21,
} as const;
/** Room for the counters, words. */
export const COUNTER_WORDS = 32;
/**
 * The last of these words is no count: whole milliseconds of the shared clock, modulo 2^32, at the worker's latest turn.
 * An idle worker turns once a second.
 */
export const BEAT_WORD = COUNTER_WORDS - 1;

/** Shared memory of one worker and where what lies in it, byte offsets. */
export interface ShardMemory {
  readonly memory: SharedArrayBuffer;
  /** Packets from publishers; written by main. */
  readonly ingress: RingLocation;
  /** Bursts (`burst.ts`) for listeners; written by the worker. */
  readonly egress: RingLocation;
  /** The worker sleeps on this one. */
  readonly workerBell: number;
  /** Main sleeps on this one; it is woken by an {@link EGRESS_BELL}. */
  readonly mainBell: number;
  /** One word that main raises with every command. */
  readonly commands: number;
  readonly counters: number;
  /** Room for one packet: the one that main is sending. */
  readonly scratch: number;
  /** The payload of a packet of silence. */
  readonly silence: number;
}

/** Lays out the memory of one worker. @param ingress,egress capacities of the rings, bytes, powers of two. */
export function layoutShard(ingress: number, egress: number): ShardMemory {
  let end = 0;
  const take = (bytes: number): number => {
    const start = end;
    end += (bytes + 63) & ~63;
    return start;
  };
  const workerBell = take(BELL_BYTES);
  const mainBell = take(BELL_BYTES);
  const commands = take(64);
  const counters = take(COUNTER_WORDS * 4);
  const scratch = take(MAX_PACKET_BYTES);
  const silence = take(64);
  const ingressBase = take(ringBytes(ingress));
  const egressBase = take(ringBytes(egress));
  const memory = new SharedArrayBuffer(end);
  return {
    memory,
    ingress: { memory, base: ingressBase, capacity: ingress },
    egress: { memory, base: egressBase, capacity: egress },
    workerBell,
    mainBell,
    commands,
    counters,
    scratch,
    silence,
  };
}

/** What a worker is started with. */
export interface WorkerTask {
  readonly shard: ShardMemory;
  /** Rows of `src/rtp/rewriter.ts`, `slotsPerConnection` for each connection index; shared by all workers. */
  readonly slots: SharedArrayBuffer;
  readonly slotsPerConnection: number;
  /** A row of {@link SourceWord}s for each connection index; shared by all workers. */
  readonly sources: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** Length of a publisher's row, 32-bit words: one cache line. */
export const SOURCE_WORDS = 16;

/** Words of a publisher's row: what its worker knows of it and main wants to look up. Cleared when it joins. */
export const SourceWord = {
  /** 1 while it speaks. */
  Speaking: 0,
  /** A {@link RedState}. */
  Red: 1,
  /** The first of the `RECEPTION_WORDS` of `src/rtp/reception.ts`: how its packets arrive. */
  Reception: 4,
} as const;

/** What came of a publisher's RED (RFC 2198) so far. */
export const RedState = { None: 0, Readable: 1, Unreadable: 2 } as const;

/** What a connection sends. */
export interface Publication {
  /** The payload type that its offer gave Opus. */
  readonly payloadType: number;
  /** The id that its offer gave the audio level extension (RFC 6464), 1 … 14; 0 if it gave none. */
  readonly levelExtension: number;
  /** The payload type that its offer gave RED (RFC 2198) and the answer accepted; 0 for none. */
  readonly redPayloadType: number;
  /** The SSRCs its offer declared, which its slots must not have. What it sends may have others. */
  readonly ssrcs: readonly number[];
}

/** Main to worker. */
export type Command =
  | {
      readonly type: 'join';
      readonly connection: number;
      readonly conversation: number;
      /** Packets never go to connections of the same user. */
      readonly user: number;
      /** The speaker's number in the conversation, sent as CSRC. */
      readonly number: number;
      readonly publication: Publication | null;
      /** Receive slots; their rows are open when this is sent. */
      readonly slots: number;
      readonly muted: boolean;
      readonly deafened: boolean;
    }
  /** `position` of the ingress ring: all that the connection sent lies before it, and is forwarded first. */
  | { readonly type: 'leave'; readonly connection: number; readonly position: number }
  /** Whether nothing of what the connection publishes is forwarded. */
  | { readonly type: 'mute'; readonly connection: number; readonly muted: boolean }
  /** What the connection wants to hear, wholly anew; people are given by their numbers in the conversation. */
  | {
      readonly type: 'listen';
      readonly connection: number;
      /** Nothing at all. */
      readonly deafened: boolean;
      /** These first, in this order, whether they speak or not. */
      readonly pinned: readonly number[];
      /** These never. */
      readonly excluded: readonly number[];
    }
  | { readonly type: 'stop' };

/** Worker to main: there is something in the egress ring. A bare number, for it is sent most often. */
export const EGRESS_BELL = 0;

/** Worker to main. */
export type Report =
  | typeof EGRESS_BELL
  /** The worker runs, and has done what it was told by then. `thread` is its thread's id. */
  | { readonly type: 'ready'; readonly thread: number }
  /** The dominant speaker of a conversation changed; `speaker` is a number in it, 0 for nobody. */
  | { readonly type: 'dominant'; readonly conversation: number; readonly speaker: number }
  /** The worker writes nothing for this connection any more after `position` of the egress ring. */
  | { readonly type: 'left'; readonly connection: number; readonly position: number };
