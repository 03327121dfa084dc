/** A client's end of a connection as the rest of the server sees it. `Peer` is the real one; tests make others. */
import type { Plan } from '../sdp/plan.ts';
import type { Fingerprint, LocalTransport } from '../sdp/transport.ts';
import type { TextChannel, TextReader } from './text-channel.ts';

/** What a peer tells its owner. */
export interface PeerEvents {
  /** The connection is established and packets can be sent. */
  connected(): void;
  /** The connection is gone, whichever side closed it; `flooded` if the client sent too much. Called once. */
  closed(why: string, reason: 'gone' | 'flooded'): void;
  /** An RTP or RTCP packet came in, decrypted. The receiver may keep the buffer. */
  packet(bytes: Uint8Array): void;
  /** Label of the one data channel whose messages are read. */
  readonly channelLabel: string;
  /** The client opened that channel. Called at most once. */
  channelOpened(channel: TextChannel): TextReader;
  /** One of the above threw: a bug, to be logged. */
  failed(error: unknown): void;
}

export interface MediaPeer {
  /** Whether ICE found a way to the client. False once the peer is closed. */
  readonly reachable: boolean;
  /** RTP and RTCP packets that came in. */
  readonly received: number;
  /** Whether {@link offload} was called. */
  readonly offloaded: boolean;

  /**
   * Takes the offer that a plan was made from, and gathers candidates.
   *
   * @param timeout longest gathering, milliseconds; candidates found by then are used.
   * @throws Error if the library refuses the offer or the peer is closed meanwhile.
   */
  accept(plan: Plan, timeout: number): Promise<LocalTransport>;

  /** Adds a candidate of the client's, as `readCandidate` checked it. Does nothing once the peer is closed. */
  addCandidate(candidate: string): void;

  /**
   * Sends one RTP or RTCP packet.
   *
   * @param packet copied before this returns, so it may lie in shared memory.
   * @returns false if it was not sent: the track is closed, or the socket's buffer full.
   */
  send(packet: Uint8Array): boolean;

  /** Has other threads encrypt and send the packets from now on. Cannot be undone. */
  offload(): void;

  /**
   * Closes the connection; a client with a data channel is told at once.
   *
   * @param linger time for the last message on a data channel to arrive, milliseconds.
   */
  close(linger?: number): void;
}

/**
 * Makes the peer of a client.
 *
 * @param client the same text for each connection of the same client.
 * @param addresses where the client may be seen, as of `remote`.
 * @param fingerprints of the client's certificate, one of which has to match.
 * @throws Error if the library refuses.
 */
export type PeerFactory = (
  client: string,
  addresses: readonly string[],
  fingerprints: readonly Fingerprint[],
  events: PeerEvents,
) => MediaPeer;
