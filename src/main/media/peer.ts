/**
 * One WebRTC peer connection. The only file but `mux-watch.ts` that talks to node-datachannel, and the place for what has to be known
 * about it:
 *
 * - An exception that leaves one of its callbacks ends the process, so every callback is guarded.
 * - An object that JavaScript lets go of is closed by the garbage collector, so peers are held until they are closed.
 * - A track without an `onClosed` callback stays in a list of the library's after its memory is gone, which crashes
 *   the library's `cleanup()` later; so there is always one.
 * - A data channel that nobody reads stops the library's threads after a thousand messages, and with them the whole
 *   process at the next close; so every channel is read, whatever it says.
 * - What was said over a data channel right before closing is lost now and then, so a farewell is given time.
 * - Every callback is a libuv handle that costs something at every wake of the main thread, so there are three a peer:
 *   the library insists on one for the connection and one for the track, and the track has another for what it receives.
 *   A client that opens data channels adds one for them, and two for each.
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
import type { MediaPeer, PeerEvents } from './media-peer.ts';
import { type PortLease, remote } from './port-choice.ts';
import { type TextReader, textChannel } from './text-channel.ts';

/** How long a track may take to open once the connection stands, milliseconds. */
const OPEN_TIMEOUT_MS = 2000;
/** Bits a second and milliseconds that keep the library's pacer from ever pacing: only its thread is wanted. */
const NO_PACING = [1e9, 1] as const;

export type PeerConfig = Pick<Config, 'MEDIA_BIND' | 'ICE_SERVERS' | 'MAX_DATA_CHANNELS'> & DataLimits;

/** Keeps peers from the garbage collector until the library has closed them. */
const alive = new Set<Peer>();

/** Closes whoever still stands. Resolves once the library has closed all, so that each got its goodbye, or after `timeout` ms. */
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
  /** What the client's certificate is held against here; empty where the library does that, and once it matched. */
  private unverified: readonly Fingerprint[];

  /**
   * @param lease of its media port; given back at the end, or if this throws.
   * @param fingerprints of the client's certificate, one of which has to match. The library compares with one alone.
   * @throws Error if the library refuses.
   */
  constructor(config: PeerConfig, lease: PortLease, events: PeerEvents, fingerprints: readonly Fingerprint[] = []) {
    this.events = events;
    this.unverified = fingerprints.length > 1 ? fingerprints : [];
    this.maxChannels = config.MAX_DATA_CHANNELS;
    this.budget = new DataBudget(config);
    this.lease = lease;
    try {
      this.connection = new PeerConnection(`peer-${randomInt(2 ** 32)}`, {
        iceServers: [...config.ICE_SERVERS],
        enableIceUdpMux: true,
        portRangeBegin: lease.port,
        portRangeEnd: lease.port,
        disableAutoNegotiation: true,
        forceMediaTransport: true,
        disableFingerprintVerification: this.unverified.length > 0,
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
    // A track that only sends throws away RTP, but hands over RTCP: a listener's reports.
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
      // The client has hung up, which its "closed" will say in a moment.
    }
  }

  send(packet: Uint8Array): boolean {
    if (this.track === null || this.closing || this.ended) return false;
    try {
      // The library takes any view; only its types insist on a Buffer.
      const sent = this.track.sendMessageBinary(packet as Buffer);
      // Of a packet that was queued for another thread the library says "not sent".
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
   * Has the library's own threads encrypt and send the packets, which costs the calling thread about half of the time and
   * the machine up to twice as much in all. Order is kept: packets sent before have left. There is no way back, because
   * nothing tells when the library's queue is empty; a connection lives for one call at most.
   */
  offload(): void {
    const { track } = this;
    if (this.offloaded || track === null || this.closing || this.ended) return;
    // Also if the library refuses: the track sends as before, and need not be asked again.
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

  /** Reads one of the client's channels. Its messages are thrown away unless it is the labelled one. */
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
    // The reader comes first: closing a connection with an unread channel is what hangs.
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

  /** The library says "connected" a moment before its track can send. */
  private async announceOpen(): Promise<void> {
    await until(() => this.ended || this.track?.isOpen() === true, OPEN_TIMEOUT_MS);
    if (this.ended) return;
    const seen = this.connection.getSelectedCandidatePair()?.remote;
    if (seen !== undefined) this.lease.add(remote(seen.address, seen.port));
    if (!this.isVerified()) this.end('the certificate has none of the fingerprints in the offer');
    else if (this.track?.isOpen() === true) this.events.connected();
    else this.end('the media transport did not open');
  }

  /** Whether the client's certificate is known to be the one of the offer: RFC 8122, section 6.2. */
  private isVerified(): boolean {
    if (this.unverified.length === 0) return true;
    const certificate = this.connection.remoteFingerprint().value.toUpperCase();
    if (!this.unverified.some(({ value }) => value.toUpperCase() === certificate)) return false;
    this.unverified = [];
    return true;
  }

  /** Not from within a callback of the library's on a data channel, which closing takes away. */
  private flooded(why: string): void {
    setImmediate(() => this.guard(() => this.end(why, 'flooded')));
  }

  private end(why: string, reason: 'gone' | 'flooded' = 'gone'): void {
    if (this.ended) return;
    this.ended = true;
    this.lease.give();
    // Whatever of it the library refuses, the rest is to be done.
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
