/**
 * Everything that crosses between the main thread and a worker, and nothing else.
 *
 * Packets travel in the rings, numbering in the slot table, counts in the counters, and commands and reports on the
 * control port. No strings cross: main gives conversations and users numbers.
 */
import type { MessagePort } from 'node:worker_threads';
import { MAX_PACKET_BYTES } from '../rtp/packet.ts';
import { BELL_BYTES } from './bell.ts';
import { type RingLocation, ringBytes } from './ring.ts';

/** Highest index that an id has room for, in its low 16 bits. */
export const MAX_CONNECTION_INDEX = 0xffff;

/**
 * Returns the id of a connection. Its index is reused after the connection ends. Its generation tells apart the
 * connections that had the index, so that a packet on its way when one ended is never taken for its successor's.
 */
export function connectionId(index: number, generation: number): number {
  return ((generation & 0x7fff) << 16) | index;
}

/** Returns the index in a connection's id, 0 … {@link MAX_CONNECTION_INDEX}. */
export function connectionIndex(id: number): number {
  return id & MAX_CONNECTION_INDEX;
}

/** Why the worker did not forward a packet. Each reason is the index of a counter. */
export const Drop = {
  /** The connection is not, or no longer, in a conversation of this worker. */
  NotJoined: 0,
  /** Not a whole RTP version 2 packet (RFC 3550, section 5.1), or its payload is empty or too long. */
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
  /** From before the slot's switch to this source; counted once for each slot. */
  BeforeSwitch: 7,
  /** The egress ring had no room; counted once for each listener's packet. */
  EgressFull: 8,
  /** The publisher is muted, by itself or by an operator. */
  Muted: 9,
  /** Not a RED payload (RFC 2198) in which every block is Opus. */
  BadRed: 10,
  /** It was waiting when its worker ended. The worker may still have forwarded up to a batch of these. */
  WorkerEnded: 11,
} as const;
export type DropReason = keyof typeof Drop;

/** Counters of one worker, 32-bit words that wrap: first one for each {@link Drop}, then these. */
export const Count = {
  /** Packets taken from the ingress ring. */
  PacketsIn: 16,
  /** Packets put into the egress ring. */
  PacketsOut: 17,
  /** Times that a slot changed its source. */
  Switches: 18,
  /** Frames of silence put into slots whose speaker stopped. */
  Silence: 19,
  /** Lost packets that were rebuilt from the redundancy of a later packet. */
  Rebuilt: 20,
  /** Time that the thread was awake, microseconds. */
  BusyMicros: 21,
} as const;
/** Room for the counters, words. */
export const COUNTER_WORDS = 32;
/**
 * The last of these words is not a count but a heartbeat: the shared clock at the worker's latest turn, whole
 * milliseconds, modulo 2^32. An idle worker takes a turn once a second.
 */
export const BEAT_WORD = COUNTER_WORDS - 1;

/** One worker's shared memory, and the byte offset of each part. */
export interface ShardMemory {
  readonly memory: SharedArrayBuffer;
  /** Packets from publishers; written by main. */
  readonly ingress: RingLocation;
  /** Bursts (`burst.ts`) for listeners; written by the worker. */
  readonly egress: RingLocation;
  /** The bell on which the worker sleeps. */
  readonly workerBell: number;
  /** The bell on which main sleeps; an {@link EGRESS_BELL} wakes it. */
  readonly mainBell: number;
  /** One word that main raises with every command. */
  readonly commands: number;
  readonly counters: number;
  /** Room for the packets that main is sending: {@link SCRATCHES} of {@link SCRATCH_BYTES}. */
  readonly scratch: number;
  /** The payload of a frame of silence. */
  readonly silence: number;
}

/**
 * How many bursts main keeps assembled, so that it copies each payload once. A batch goes listener by listener through all
 * of its voices, so there has to be room for the bursts of all of these: three voices to 300 listeners are 30.
 */
export const SCRATCHES = 32;
export const SCRATCH_BYTES = (MAX_PACKET_BYTES + 7) & ~7;

/** Lays out one worker's memory. @param ingress,egress capacities of the rings, bytes; powers of two. */
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
  const scratch = take(SCRATCHES * SCRATCH_BYTES);
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
  /** The slot table: `slotsPerConnection` rows of `src/rtp/rewriter.ts` for each index; shared by all workers. */
  readonly slots: SharedArrayBuffer;
  readonly slotsPerConnection: number;
  /** The source table: a row of {@link SourceWord}s for each connection index; shared by all workers. */
  readonly sources: SharedArrayBuffer;
  /** The bell on which main rests for a moment between two turns of its event loop; shared by all workers. */
  readonly restBell: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** Length of a publisher's row, 32-bit words: one cache line. */
export const SOURCE_WORDS = 16;

/** Words of a publisher's row: what its worker knows and main may look up. The row is cleared when it joins. */
export const SourceWord = {
  /** 1 while it speaks. */
  Speaking: 0,
  /** A {@link RedState}. */
  Red: 1,
  /** Its place in the order of its conversation, from 1; 0 while it has none. Written ten times a second. */
  Rank: 2,
  /** Which of its packets wake the worker: a value of {@link Wakes}. */
  Wakes: 3,
  /** How its packets arrive: the first of the `RECEPTION_WORDS` of `src/rtp/reception.ts`. */
  Reception: 4,
} as const;

/**
 * Which packets of a publisher wake its worker. The others wait in the ring for its next turn, for a moment at most:
 * they change nothing that anybody hears.
 */
export const Wakes = {
  All: 0,
  /** Those that may hold sound: nobody's slot carries it, and it is quiet. */
  Sound: 1,
  /** None: nobody could hear it, or it talks already and others are in front of it. */
  None: 2,
} as const;
export type WakesValue = (typeof Wakes)[keyof typeof Wakes];

/** Whether a publisher's RED (RFC 2198) could be read so far. */
export const RedState = { None: 0, Readable: 1, Unreadable: 2 } as const;

/** What a connection sends. */
export interface Publication {
  /** The payload type that its offer gave Opus. */
  readonly payloadType: number;
  /** The id that its offer gave the audio level extension (RFC 6464), 1 … 14; 0 if it gave none. */
  readonly levelExtension: number;
  /** The payload type that its offer gave RED (RFC 2198), if the answer accepted that; otherwise 0. */
  readonly redPayloadType: number;
  /** The SSRCs that its offer declared. Its slots must not use them; the packets it sends may have other SSRCs. */
  readonly ssrcs: readonly number[];
}

/** Commands, from main to a worker. */
export type Command =
  | {
      readonly type: 'join';
      readonly connection: number;
      readonly conversation: number;
      /** Connections of the same user never hear each other. */
      readonly user: number;
      /** The speaker number in the conversation, sent as CSRC. */
      readonly number: number;
      readonly publication: Publication | null;
      /** How many slots it has. Their rows are open before this is sent. */
      readonly slots: number;
      readonly muted: boolean;
      readonly deafened: boolean;
    }
  /** All that the connection sent lies before `position` of the ingress ring, and is forwarded first. */
  | { readonly type: 'leave'; readonly connection: number; readonly position: number }
  /** Stops or resumes forwarding what the connection publishes. */
  | { readonly type: 'mute'; readonly connection: number; readonly muted: boolean }
  /** Replaces what the connection wants to hear. Others are given by their speaker numbers. */
  | {
      readonly type: 'listen';
      readonly connection: number;
      /** Whether it hears nobody at all. */
      readonly deafened: boolean;
      /** Those it hears first, in this order, whether they speak or not. */
      readonly pinned: readonly number[];
      /** Those it never hears. */
      readonly excluded: readonly number[];
    }
  | { readonly type: 'stop' };

/** Tells main that there is something in the egress ring. It is a bare number because it is sent most often. */
export const EGRESS_BELL = 0;

/** Reports, from a worker to main. */
export type Report =
  | typeof EGRESS_BELL
  /** The worker runs, and has carried out the commands sent before. `thread` is its thread's id. */
  | { readonly type: 'ready'; readonly thread: number }
  /** The dominant speaker of a conversation changed; `speaker` is the speaker number, 0 for nobody. */
  | { readonly type: 'dominant'; readonly conversation: number; readonly speaker: number }
  /** The worker writes nothing more for this connection after `position` of the egress ring. */
  | { readonly type: 'left'; readonly connection: number; readonly position: number };
