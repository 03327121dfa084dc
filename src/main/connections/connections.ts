/**
 * The connections of all clients, from their request until everything that they held is released.
 *
 * A client is a pair `(userid, clientid)`. Its newer connection replaces the older one once it is established; other
 * clients of the same user coexist.
 */
import { performance } from 'node:perf_hooks';
import { isRtcp } from '../../rtp/packet.ts';
import { SLOT_WORDS } from '../../rtp/rewriter.ts';
import type { Claim } from '../claim.ts';
import type { Conversation } from '../conversations/occupied.ts';
import type { Placement } from '../conversations/registry-types.ts';
import { ThrottleLimits } from '../limits/throttle.ts';
import type { Ingress } from '../media/ingress.ts';
import type { PeerEvents } from '../media/media-peer.ts';
import type { Quality } from '../rtcp/quality.ts';
import type { Rtcp } from '../rtcp/rtcp.ts';
import type { Plan } from '../sdp/plan.ts';
import type { LocalTransport } from '../sdp/transport.ts';
import type { EndReason, SetupFailure } from '../telemetry.ts';
import { Admission } from './admission.ts';
import { ClientConnection, type ConnectionWatcher, clientKey } from './client-connection.ts';
import { ConnectionLog } from './connection-log.ts';
import type { ConnectionsParts } from './connections-parts.ts';
import { Ghosts } from './ghosts.ts';
import { MembershipFetch } from './membership-fetch.ts';
import { openSlots } from './open-slots.ts';
import { RedWatch } from './red-watch.ts';

/** Time between the message that tells a client why its connection ends, and the end; milliseconds. */
const FAREWELL_MS = 100;

export class Connections {
  readonly ingress: Ingress;
  readonly rtcp: Rtcp;
  readonly ghosts: Ghosts;
  private readonly parts: ConnectionsParts;
  private readonly now: () => number;
  private readonly admission: Admission;
  private readonly log: ConnectionLog;
  private readonly redWatch: RedWatch<ClientConnection>;
  private readonly throttleLimits: ThrottleLimits;
  /** By client: connections that are established, and those that are being set up. */
  private readonly established = new Map<string, ClientConnection>();
  private readonly signalling = new Map<string, ClientConnection>();
  private readonly idle: (() => void)[] = [];
  private inUse = 0;

  constructor(parts: ConnectionsParts) {
    const { config, ingress, receivers, sources } = parts;
    this.parts = parts;
    this.now = parts.now ?? (() => performance.now());
    this.ingress = ingress;
    this.throttleLimits = ThrottleLimits.of(config);
    this.rtcp = parts.rtcp;
    this.log = new ConnectionLog(parts, config.MAX_SLOTS, this.now);
    const displace = (connection: ClientConnection): void =>
      this.end(connection, 'full', 'a newer connection took the place', 'displaced');
    this.admission = new Admission({ ...parts, now: this.now, displace });
    this.ghosts = new Ghosts({
      end: (ghost, own) =>
        this.end(ghost, own ? 'replaced' : 'gone', 'silent, and another connection came from its address and port'),
      refuse: (newcomer) => this.end(newcomer, 'signalling', 'another connection has them', 'address-in-use'),
    });
    this.redWatch = new RedWatch(receivers, sources, (connection) => {
      this.log.badRed(connection);
      parts.events.badRed(connection);
    });
  }

  /** Begins to report to clients and to watch their RED, for as long as the process lives. */
  start(): void {
    this.rtcp.start();
    this.redWatch.start(this.now);
  }

  /** Connections that hold anything, from the request to the release. */
  get count(): number {
    return this.inUse;
  }

  /** Connections that hold an index, of `MAX_CONNECTIONS`. Sources of other instances hold some, too. */
  get placed(): number {
    let placed = 0;
    for (const connection of this.parts.receivers) if (connection !== undefined) placed++;
    return placed;
  }

  /** A user's connections that have not ended, established or not. Looks at all connections. */
  *of(userid: string): Iterable<ClientConnection> {
    for (const all of [this.admission.unestablished(), this.established.values()]) {
      for (const connection of all) if (connection.claim.userid === userid) yield connection;
    }
  }

  /** Whether a new connection would find no place. */
  get full(): boolean {
    return this.admission.full;
  }

  /** Connections that have not made their offer yet. */
  get waiting(): number {
    return this.admission.waiting;
  }

  get establishedCount(): number {
    return this.established.size;
  }

  /** Quality of the established connections. */
  *qualities(): Iterable<Quality> {
    for (const { rtcp } of this.established.values()) yield rtcp.quality;
  }

  /** Returns the established connection of a client, if there is one here. */
  find(claim: Claim): ClientConnection | undefined {
    return this.established.get(clientKey(claim));
  }

  /** Returns all connections that are established. */
  everyEstablished(): Iterable<ClientConnection> {
    return this.established.values();
  }

  /**
   * Lets a new connection wait for its offer. Another connection may have to stop waiting for it.
   *
   * @param request id of the request for it, if it has one.
   * @throws RequestError `too-many-connections` or `full` if it would find no place.
   */
  reserve(claim: Claim, request: string | null = null): ClientConnection {
    this.admission.makeRoom(claim);
    this.inUse++;
    const connection = new ClientConnection(claim, request, this.parts.seats, this.throttleLimits, this.now());
    this.admission.add(connection);
    return connection;
  }

  /** The connection's websocket is open. An older attempt of the same client ends. */
  begin(connection: ClientConnection, watcher: ConnectionWatcher): void {
    // Another connection may have needed its place between the request and the websocket.
    if (connection.state === 'ended') return;
    connection.watcher = watcher;
    const older = this.signalling.get(connection.key);
    if (older !== undefined) this.end(older, 'replaced', 'a newer request of the same client');
    this.signalling.set(connection.key, connection);
  }

  /** A connection's offer came, and waits for its turn. */
  offered(connection: ClientConnection): void {
    this.admission.offered(connection);
  }

  /** Gives a place to a connection whose offer's turn came. @returns false if there is none. */
  admit(connection: ClientConnection): boolean {
    return this.admission.admit(connection);
  }

  /**
   * Sets a connection up as planned.
   *
   * @param addresses where its client may be seen, as of `remote`.
   * @returns the server's end of the transport, and each slot's SSRC, unsigned, in the order of the plan.
   * @throws Error if the native library refuses.
   */
  async open(
    connection: ClientConnection,
    plan: Plan,
    addresses: readonly string[],
  ): Promise<{ local: LocalTransport; ssrcs: number[] }> {
    const { config, slots, openPeer } = this.parts;
    connection.publication = plan.publication;
    connection.slotCount = plan.slots.length;
    connection.slotMids = plan.slots.map(({ mid }) => mid);
    const firstSlot = connection.index * config.MAX_SLOTS * SLOT_WORDS;
    const ssrcs = openSlots(slots, firstSlot, connection.id, plan);
    const events = this.peerEvents(connection);
    this.fetchMembership(connection);
    connection.peer = openPeer(connection.key, addresses, plan.fingerprints, events);
    const local = await connection.peer.accept(plan, config.GATHER_TIMEOUT_MS);
    if (connection.state !== 'ended') this.ghosts.add(connection, local.ufrag);
    return { local, ssrcs };
  }

  /** Puts a user's connections where the registry says. @param kicked by an operator. */
  place({ connections, conversation, maySpeak }: Placement<ClientConnection>, kicked = false): void {
    for (const connection of connections) {
      this.log.placed(connection, conversation, kicked);
      // What is muted only in the next conversation must not be heard there, nor the other way round.
      if (!maySpeak) this.letSpeak([connection], false);
      this.seat(connection, conversation, kicked);
      if (maySpeak) this.letSpeak([connection], true);
    }
  }

  /** Gives connections the right to speak, or takes it; their clients are told. */
  letSpeak(connections: readonly ClientConnection[], maySpeak: boolean): void {
    for (const connection of connections) {
      if (connection.maySpeak === maySpeak) continue;
      connection.maySpeak = maySpeak;
      // That is what it was raised for.
      if (maySpeak) connection.hand = false;
      connection.seat.muteChanged();
      this.parts.events.letSpeak(connection);
    }
  }

  /** Mutes connections for an operator, or takes that back; their clients are told. */
  mute(connections: readonly ClientConnection[], muted: boolean): void {
    for (const connection of connections) {
      if (connection.mutedByOperator === muted) continue;
      connection.mutedByOperator = muted;
      connection.seat.muteChanged();
      this.parts.events.mutedByOperator(connection);
    }
  }

  /**
   * Ends a connection, whatever its state: tells its watcher, frees its slots, closes its peer.
   *
   * @param detail goes into the log, so it must hold none of the client's own words.
   * @param cause why the connection was never established, where the reason does not say it.
   */
  end(connection: ClientConnection, reason: EndReason, detail: string, cause?: SetupFailure): void {
    if (connection.state === 'ended') return;
    const { events, conversations, observer } = this.parts;
    const wasEstablished = connection.established;
    connection.state = 'ended';
    const { claim, watcher, key } = connection;
    this.admission.ended(connection);
    this.ghosts.delete(connection);
    if (this.established.get(key) === connection) this.established.delete(key);
    if (this.signalling.get(key) === connection) this.signalling.delete(key);
    connection.membership?.end();
    conversations.disconnect(claim.userid, connection, this.now());
    this.log.ended(connection, wasEstablished, reason, detail, cause);
    watcher?.ended(reason, detail, cause);
    const told = events.ended(connection, reason === 'replaced' || reason === 'draining' ? reason : null);
    if (wasEstablished) observer?.ended(connection, reason);
    connection.seat.vacate(() => this.release(connection, told ? FAREWELL_MS : 0));
  }

  /** Ends the connections that are not established yet. */
  endUnestablished(reason: EndReason, detail: string): void {
    for (const connection of this.admission.unestablished()) this.end(connection, reason, detail);
  }

  /** Ends all connections. Resolves once nothing is held any more. */
  endAll(reason: EndReason, detail: string): Promise<void> {
    this.endUnestablished(reason, detail);
    for (const connection of this.parts.receivers) {
      if (connection !== undefined) this.end(connection, reason, detail);
    }
    return this.inUse === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  private peerEvents(connection: ClientConnection): PeerEvents {
    const { events, log } = this.parts;
    return {
      connected: () => this.establish(connection),
      closed: (why, reason) => this.end(connection, reason, why),
      packet: (bytes) => this.receive(connection, bytes),
      channelLabel: events.label,
      channelOpened: (channel) => events.opened(connection, channel),
      failed: (error) => log.error({ err: error, connection: connection.id }, 'peer callback failed'),
    };
  }

  /** Asks for the membership of the connection's user while the answer is prepared, if another process may know it. */
  private fetchMembership(connection: ClientConnection): void {
    const { memberships, conversations, log } = this.parts;
    connection.membership = MembershipFetch.begin(memberships, connection.claim.userid, conversations.watches, {
      arrived: () => this.establish(connection),
      failed: (err) => {
        log.warn({ err, connection: connection.id }, 'a membership could not be fetched');
        this.end(connection, 'signalling', 'the membership could not be fetched', 'internal');
      },
    });
  }

  /** The peer is connected. The connection is established once its user's membership is known, too. */
  private establish(connection: ClientConnection): void {
    if (connection.state !== 'signalling') return;
    const { claim, watcher, membership, key } = connection;
    if (membership?.ready() === false) return;
    const { events, conversations, observer } = this.parts;
    const member = conversations.connect(claim.userid, connection, membership?.end());
    if (member === null) return this.end(connection, 'full', 'no room for another user');
    const older = this.established.get(key);
    this.established.set(key, connection);
    this.signalling.delete(key);
    this.admission.established(connection);
    connection.establish(member, this.now());
    if (older !== undefined) this.end(older, 'replaced', 'a newer connection of the same client');
    this.log.established(connection, member.conversation);
    if (member.mutedByOperator) events.mutedByOperator(connection);
    if (!member.maySpeak) events.letSpeak(connection);
    this.seat(connection, member.conversation);
    watcher?.connected();
    observer?.established(connection);
  }

  private seat(connection: ClientConnection, conversation: Conversation | null, kicked = false): void {
    if (connection.seat.destination?.id !== conversation?.id) connection.hand = false;
    connection.seat.place(conversation);
    this.parts.events.placed(connection, kicked);
  }

  private receive(connection: ClientConnection, packet: Uint8Array): void {
    if (isRtcp(packet)) this.rtcp.receive(connection, packet);
    else this.ingress.take(connection, packet);
  }

  /** Releases a connection, once nothing writes for it any more and all that was written has been sent. */
  private release(connection: ClientConnection, linger: number): void {
    this.parts.events.ended(connection, null);
    connection.peer?.close(linger);
    this.admission.release(connection);
    this.inUse--;
    if (this.inUse === 0) for (const resolve of this.idle.splice(0)) resolve();
  }
}
