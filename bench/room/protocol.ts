/** The messages between the room benchmark and its processes. */
import type { SpurtOptions } from '../cluster/spurts.ts';

/** A group of clients in one process. */
export interface GroupOptions {
  readonly url: string;
  /** If given, the clients connect to these in turn. */
  readonly urls?: readonly string[];
  readonly room: string;
  /** If given, the conversations are `<room>-<n>`, with n = (this + a client's number in the group) ÷ `perRoom`. */
  readonly firstRoom?: number;
  /** Clients in each conversation (default 1). */
  readonly perRoom?: number;
  /** Users are named `<name>-<number>`. */
  readonly name: string;
  readonly count: number;
  readonly slots: number;
  readonly publishes: boolean;
  /** Whether the publishers' microphones are open while nobody talks. */
  readonly silent?: boolean;
  /** Whether publishers negotiate the audio level, so that the server ranks them by it. */
  readonly levels?: boolean;
  /** Whether they open the data channel for events. */
  readonly data?: boolean;
  /** Whether packets are examined; otherwise the library decrypts and discards them. */
  readonly measured: boolean;
  readonly ports: readonly [number, number];
}

export type ToGroup =
  | { readonly type: 'open'; readonly options: GroupOptions }
  /** Makes the publishers begin to send. */
  | {
      readonly type: 'talk';
      readonly payloadBytes: number;
      readonly intervalMs: number;
      readonly silent: boolean;
      /** When they talk; null for all the time. */
      readonly spurts: SpurtOptions | null;
    }
  /** Makes the publishers stop. */
  | { readonly type: 'hush' }
  /** Resets all counts. */
  | { readonly type: 'reset' }
  | { readonly type: 'report' };

export interface GroupReport {
  /** Packets sent by publishers. */
  readonly sent: number;
  readonly received: number;
  /** Sequence numbers that are missing between the first and the last received. */
  readonly lost: number;
  /** One-way latencies of sampled packets, milliseconds, sorted. */
  readonly latencies: readonly number[];
  /** Delay of this process's own event loop, 99th percentile, milliseconds. */
  readonly loopP99Ms: number;
}

export type FromGroup =
  | { readonly type: 'opened'; readonly connected: number }
  | { readonly type: 'talking' }
  | { readonly type: 'silent' }
  | { readonly type: 'report'; readonly report: GroupReport };

/** What a measured server reports once a second. */
export interface Sample {
  /** Packets sent since the start. */
  readonly sent: number;
  /** Packets dropped since the start, for whatever reason. */
  readonly dropped: number;
  readonly rss: number;
  readonly loopP99Ms: number;
  readonly loopBusy: number;
  /** Time inside the server, microseconds; 0 if not known. */
  readonly forwardUs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Largest fill of the rings so far, 0 … 1. */
  readonly fill: { readonly ingress: number; readonly egress: number };
}
