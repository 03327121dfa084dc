/**
 * One WebRTC peer connection. It works around these properties of node-datachannel:
 *
 * - An exception that leaves one of its callbacks ends the process. So each callback is guarded.
 * - The garbage collector closes objects without a reference. So peers are kept until they are closed.
 * - A track without an `onClosed` callback stays in a list of the library after its memory is freed, and the library's
 *   `cleanup()` crashes later. So each track has one.
 * - A data channel that is not read stops the library's threads after a thousand messages, and the whole process at the
 *   next close. So each channel is read, whatever its label.
 * - A message sent over a data channel right before closing is lost now and then. So a farewell is given time.
 * - Each callback is a libuv handle, which costs time whenever the main thread wakes. So a peer has only three: the
 *   library requires one for the connection and one for the track, and the track has one more for received packets. A
 *   client that opens data channels adds one for them all, and two for each.
 */
import { randomInt } from 'node:crypto';
import { Audio, type DataChannel, PacingHandler, PeerConnection, type Track } from 'node-datachannel';
import { milliseconds } from '../../workers/clock.ts';
import type { Config } from '../config.ts';
import { DataBudget, type DataLimits } from '../limits/data-budget.ts';
import { TRANSPORT_MID, writeTransportOffer } from '../sdp/answer.ts';
import { parseCandidate } from '../sdp/candidates.ts';
import type { Plan } from '../sdp/plan.ts';
import { type Fingerprint, type LocalTransport, readLocalTransport } from '../sdp/transport.ts';
import { until } from '../wait.ts';
import type { Certificate } from './certificate.ts';
import type { MediaPeer, PeerEvents } from './media-peer.ts';
import { type PortLease, remote } from './port-choice.ts';
import { type TextReader, textChannel } from './text-channel.ts';

/** How long a track may take to open once the connection is established, milliseconds. */
const OPEN_TIMEOUT_MS = 2000;
/** Bits per second and milliseconds with which the library's pacer never paces. Only its thread is used. */
const NO_PACING = [1e9, 1] as const;

export interface PeerConfig extends Pick<Config, 'MEDIA_BIND' | 'ICE_SERVERS' | 'MAX_DATA_CHANNELS'>, DataLimits {
  /** Without it the library makes one for each connection. */
  readonly certificate?: Certificate;
}

/** Keeps peers from the garbage collector until the library has closed them. */
const alive = new Set<Peer>();

/**
 * Closes all peers. Resolves once the library has closed them and told their clients, or after `timeout` milliseconds.
 */
export async function peersClosed(timeout: number): Promise<void> {
  for (const peer of alive) peer.close();
  await until(() => alive.size === 0, timeout);
}

export class Peer implements MediaPeer {
  private readonly connection: PeerConnection;
  private readonly events: PeerEvents;
  private readonly lease: PortLease;
  private track: Track | null = null;
  private pacer: PacingHandler | null = null;
  offloaded = false;
  /** Held so that the garbage collector does not close them. */
  private readonly channels: DataChannel[] = [];
  private readonly maxChannels: number;
  private readonly budget: DataBudget;
  private hasReader = false;
  private closing = false;
  received = 0;
  private ended = false;
  /**
   * Fingerprints that the client's certificate still has to match; empty if the library checks it, or once it matched.
   */
  private unverified: readonly Fingerprint[];

  /**
   * @param lease its hold on a media port, which is given back at the end, or if this throws.
   * @param fingerprints of the client's certificate, which has to match one of them. The library checks only one.
   * @throws Error if the library refuses.
   */
  constructor(config: PeerConfig, lease: PortLease, events: PeerEvents, fingerprints: readonly Fingerprint[] = []) {
    this.events = events;
    this.unverified = fingerprints.length > 1 ? fingerprints : [];
    this.maxChannels = config.MAX_DATA_CHANNELS;
    this.budget = new DataBudget(config);
    this.lease = lease;
    const { certificate: own } = config;
    try {
      this.connection = new PeerConnection(`peer-${randomInt(2 ** 32)}`, {
        iceServers: [...config.ICE_SERVERS],
        enableIceUdpMux: true,
        portRangeBegin: lease.port,
        portRangeEnd: lease.port,
        disableAutoNegotiation: true,
        forceMediaTransport: true,
        disableFingerprintVerification: this.unverified.length > 0,
        // These may be PEM itself as well as files.
        ...(own === undefined ? {} : { certificatePemFile: own.certificate, keyPemFile: own.key }),
        ...(config.MEDIA_BIND === '' ? {} : { bindAddress: config.MEDIA_BIND }),
      });
    } catch (error) {
      lease.give();
      throw error;
    }
    alive.add(this);
    this.connection.onStateChange((state) => this.guard(() => this.stateChanged(state)));
  }

  async accept(plan: Plan, timeout: number): Promise<LocalTransport> {
    // A track that only sends drops RTP, but passes on RTCP, such as a listener's reports.
    const audio = new Audio(TRANSPORT_MID, plan.publication === null ? 'SendOnly' : 'SendRecv');
    audio.addOpusCodec(plan.publication?.payloadType ?? plan.slots[0]?.payloadType ?? 111);
    this.track = this.connection.addTrack(audio);
    this.track.onClosed(() => undefined);
    this.track.onMessage((bytes) => this.guard(() => this.take(bytes)));
    if (plan.data !== null) this.connection.onDataChannel((channel) => this.guard(() => this.read(channel)));
    this.connection.setRemoteDescription(writeTransportOffer(plan), 'offer');
    this.connection.setLocalDescription('answer');
    await until(() => this.ended || this.connection.gatheringState() === 'complete', timeout);
    const description = this.ended ? null : this.connection.localDescription();
    if (description === null) throw new Error('the peer connection was closed while it was being set up');
    return readLocalTransport(description.sdp);
  }

  addCandidate(candidate: string): void {
    if (this.ended) return;
    const { address, port } = parseCandidate(candidate)!;
    this.lease.add(remote(address, port));
    try {
      this.connection.addRemoteCandidate(candidate, TRANSPORT_MID);
    } catch {
      // The client has hung up; "closed" follows in a moment.
    }
  }

  send(packet: Uint8Array): boolean {
    if (this.track === null || this.closing || this.ended) return false;
    try {
      // The library accepts any view; only its types require a Buffer.
      const sent = this.track.sendMessageBinary(packet as Buffer);
      // The library returns false for packets that it queues for another thread.
      return sent || this.pacer !== null;
    } catch {
      return false;
    }
  }

  get reachable(): boolean {
    if (this.ended) return false;
    const state = this.connection.iceState();
    return state === 'connected' || state === 'completed';
  }

  /**
   * Has the library's own threads encrypt and send the packets, which costs the calling thread about half of the time
   * and the machine up to twice as much in all. Order is kept: packets sent before have left. There is no way back,
   * because nothing tells when the library's queue is empty; a connection lives for one call at most.
   */
  offload(): void {
    const { track } = this;
    if (this.offloaded || track === null || this.closing || this.ended) return;
    // Even if the library refuses. The track then sends as before, and is not asked again.
    this.offloaded = true;
    this.guard(() => {
      const pacer = new PacingHandler(...NO_PACING);
      track.setMediaHandler(pacer);
      this.pacer = pacer;
    });
  }

  /** Closes. It lingers because closing now and then overtakes a message; nothing is received or sent meanwhile. */
  close(linger = 0): void {
    if (this.closing) return;
    this.closing = true;
    const end = (): void => this.guard(() => this.end('closed by the server'));
    if (linger === 0) end();
    else setTimeout(end, linger);
  }

  private take(packet: Uint8Array): void {
    this.received++;
    if (!this.closing && this.isVerified()) this.events.packet(packet);
  }

  /** Reads one of the client's channels. Its messages are dropped unless its label is the expected one. */
  private read(channel: DataChannel): void {
    let reader: TextReader | null = null;
    this.channels.push(channel);
    channel.onClosed(() => this.guard(() => reader?.closed()));
    channel.onMessage((message) =>
      this.guard(() => {
        if (reader !== null) reader.message(typeof message === 'string' ? message : null);
        else if (!this.budget.takeMessage(message, milliseconds()))
          this.flooded('too many messages on data channels that nobody reads');
      }),
    );
    // The reader comes first, because closing a connection with an unread channel hangs.
    if (this.channels.length > this.maxChannels) this.flooded('too many data channels');
    if (this.closing || this.ended || this.hasReader || !this.isVerified()) return;
    if (channel.getLabel() !== this.events.channelLabel) return;
    this.hasReader = true;
    reader = this.events.channelOpened(textChannel(channel));
  }

  private stateChanged(state: string): void {
    if (state === 'closed') alive.delete(this);
    if (state === 'connected') this.announceOpen().catch((error: unknown) => this.events.failed(error));
    if (state === 'failed' || state === 'disconnected' || state === 'closed') this.end(state);
  }

  /** Waits until the track can send, a moment after the library reports "connected". */
  private async announceOpen(): Promise<void> {
    await until(() => this.ended || this.track?.isOpen() === true, OPEN_TIMEOUT_MS);
    if (this.ended) return;
    const seen = this.connection.getSelectedCandidatePair()?.remote;
    if (seen !== undefined) this.lease.add(remote(seen.address, seen.port));
    if (!this.isVerified()) this.end('the certificate has none of the fingerprints in the offer');
    else if (this.track?.isOpen() === true) this.events.connected();
    else this.end('the media transport did not open');
  }

  /** Checks whether the client's certificate is the one of its offer (RFC 8122, section 6.2). */
  private isVerified(): boolean {
    if (this.unverified.length === 0) return true;
    const certificate = this.connection.remoteFingerprint().value.toUpperCase();
    if (!this.unverified.some(({ value }) => value.toUpperCase() === certificate)) return false;
    this.unverified = [];
    return true;
  }

  /** Closes later. Closing removes the data channels, whose callbacks of the library may be running now. */
  private flooded(why: string): void {
    setImmediate(() => this.guard(() => this.end(why, 'flooded')));
  }

  private end(why: string, reason: 'gone' | 'flooded' = 'gone'): void {
    if (this.ended) return;
    this.ended = true;
    this.lease.give();
    // Each step is guarded, so that a failure does not stop the next.
    this.guard(() => this.track?.close());
    this.guard(() => this.connection.close());
    this.events.closed(why, reason);
  }

  private guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.events.failed(error);
    }
  }
}
