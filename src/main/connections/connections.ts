/**
 * The connections of all clients, from their request to the release of the last thing they held.
 *
 * A connection is `(userid, clientid)`: a newer one with the same pair replaces the older, once it stands; another
 * clientid of the same user coexists.
 */
import { performance } from 'node:perf_hooks';
import { isRtcp } from '../../rtp/packet.ts';
import { SLOT_WORDS } from '../../rtp/rewriter.ts';
import type { Claim } from '../claim.ts';
import type { Conversation, Placement } from '../conversations/conversations.ts';
import type { IndexPool } from '../conversations/index-pool.ts';
import { RequestError } from '../errors.ts';
import { ClientsPerUser } from '../limits/clients-per-user.ts';
import { ThrottleLimits } from '../limits/throttle.ts';
import type { Ingress } from '../media/ingress.ts';
import { Peer, type PeerEvents } from '../media/peer.ts';
import type { Quality } from '../rtcp/quality.ts';
import { Rtcp } from '../rtcp/rtcp.ts';
import type { Plan } from '../sdp/plan.ts';
import type { LocalTransport } from '../sdp/transport.ts';
import type { EndReason, SetupFailure } from '../telemetry.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionLog } from './connection-log.ts';
import type { ConnectionsParts } from './connections-parts.ts';
import { Ghosts } from './ghosts.ts';
import { openSlots } from './open-slots.ts';
import { RedWatch } from './red-watch.ts';
import { Setups } from './setups.ts';

/** How often it is looked whose RED can be read, milliseconds. */
const RED_INTERVAL_MS = 500;
/** How long the client's end stands after it was told why it ends, milliseconds. */
const FAREWELL_MS = 100;

export class Connections {
  readonly ingress: Ingress;
  readonly rtcp: Rtcp;
  readonly ghosts: Ghosts;
  private readonly life: ConnectionLog;
  private readonly redWatch: RedWatch<ClientConnection>;
  private readonly clients: ClientsPerUser;
  private readonly throttleLimits: ThrottleLimits;
  private readonly parts: ConnectionsParts;
  private readonly indexes: IndexPool;
  private readonly established = new Map<string, ClientConnection>();
  /** Those that do not stand yet, by client, and which of them give way. */
  private readonly signalling = new Map<string, ClientConnection>();
  private readonly setups: Setups<ClientConnection>;
  private readonly idle: (() => void)[] = [];
  private inUse = 0;

  constructor(parts: ConnectionsParts) {
    this.parts = parts;
    this.clients = new ClientsPerUser(parts.config.MAX_CONNECTIONS_PER_USER);
    this.setups = new Setups(parts.config, () => performance.now());
    this.indexes = parts.indexes;
    this.throttleLimits = ThrottleLimits.of(parts.config);
    this.rtcp = new Rtcp({ ...parts, slotsPerConnection: parts.config.MAX_SLOTS });
    this.ingress = parts.ingress;
    this.ghosts = new Ghosts({
      end: (ghost, own) =>
        this.end(ghost, own ? 'replaced' : 'gone', 'silent, and another connection came from its address and port'),
      refuse: (newcomer) => this.end(newcomer, 'signalling', 'another connection has them', 'address-in-use'),
    });
    this.life = new ConnectionLog(parts.log, parts.telemetry, parts.slots, parts.config.MAX_SLOTS);
    this.redWatch = new RedWatch(parts.receivers, parts.sources, (connection) => {
      this.life.badRed(connection);
      parts.events.badRed(connection);
    });
    setInterval(() => this.redWatch.look(performance.now()), RED_INTERVAL_MS).unref();
  }

  /** Connections that hold anything, from the request to the release. */
  get count(): number {
    return this.inUse;
  }

  /** Those that have a place of `MAX_CONNECTIONS`. */
  get placed(): number {
    return this.indexes.size - this.indexes.free;
  }

  /** Whether a new one would find no place. */
  get full(): boolean {
    return this.indexes.free === 0 && this.setups.stuck() === null;
  }

  /** Those that have not made their offer yet. */
  get waiting(): number {
    return this.setups.waitingCount;
  }

  /** Quality of those that stand. */
  *qualities(): Iterable<Quality> {
    for (const { rtcp } of this.established.values()) yield rtcp.quality;
  }

  get establishedCount(): number {
    return this.established.size;
  }

  /**
   * Lets a new connection wait for its offer, for which somebody else may have to stop waiting.
   *
   * @throws RequestError `too-many-connections` or `full` if no place would be there for it.
   */
  reserve(claim: Claim): ClientConnection {
    this.clients.makeSureOfRoom(claim);
    if (this.full) {
      const detail = `All ${this.parts.config.MAX_CONNECTIONS} connections are in use; try again later.`;
      throw new RequestError('full', detail, { 'Retry-After': '5' });
    }
    const surplus = this.setups.surplus(claim);
    if (surplus !== null) this.displace(surplus);
    this.inUse++;
    this.clients.add(claim);
    const connection = new ClientConnection(claim, this.parts.seats, this.throttleLimits);
    this.setups.add(connection);
    return connection;
  }

  /** Its websocket is open: an older attempt of the same client is given up. */
  begin(connection: ClientConnection): void {
    const key = clientKey(connection.claim);
    const older = this.signalling.get(key);
    if (older !== undefined) this.end(older, 'replaced', 'a newer request of the same client');
    this.signalling.set(key, connection);
  }

  /** Takes a place for a connection whose offer came, of whoever gets nowhere if need be. @returns false if there is none. */
  admit(connection: ClientConnection): boolean {
    const stuck = this.indexes.free > 0 && this.setups.room ? null : this.setups.stuck();
    if (stuck !== null) this.displace(stuck);
    if (!this.setups.room) return false;
    const taken = this.indexes.take();
    if (taken === null) return false;
    connection.begin(taken);
    this.setups.connect(connection);
    this.parts.receivers[taken.index] = connection;
    return true;
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
    const { config, ports, log } = this.parts;
    connection.publication = plan.publication;
    connection.slotCount = plan.slots.length;
    connection.slotMids = plan.slots.map(({ mid }) => mid);
    const firstSlot = connection.index * config.MAX_SLOTS * SLOT_WORDS;
    const ssrcs = openSlots(this.parts.slots, firstSlot, connection.id, plan);
    const events: PeerEvents = {
      connected: () => this.establish(connection),
      closed: (why, reason) => this.end(connection, reason, why),
      packet: (bytes) => this.receive(connection, bytes),
      channelLabel: this.parts.events.label,
      channelOpened: (channel) => this.parts.events.opened(connection, channel),
      failed: (error) => log.error({ err: error, connection: connection.id }, 'peer callback failed'),
    };
    const lease = ports.take(clientKey(connection.claim), addresses);
    connection.peer = new Peer(config, lease, events, plan.fingerprints);
    const local = await connection.peer.accept(plan, config.GATHER_TIMEOUT_MS);
    if (connection.state !== 'ended') this.ghosts.add(connection, local.ufrag);
    return { local, ssrcs };
  }

  /** Puts a user's connections where the registry says. @param kicked by an operator. */
  place({ connections, conversation }: Placement<ClientConnection>, kicked = false): void {
    for (const connection of connections) {
      this.life.placed(connection, conversation, kicked);
      this.seat(connection, conversation, kicked);
    }
  }

  /** Mutes connections for an operator, or takes that back; their clients are told. */
  mute(connections: readonly ClientConnection[], muted: boolean): void {
    for (const connection of connections) {
      if (connection.mutedByOperator === muted) continue;
      connection.mutedByOperator = muted;
      connection.seat.shard?.mute(connection.id, connection.muted);
      this.parts.events.mutedByOperator(connection);
    }
  }

  /**
   * Ends a connection, whatever its state: its watcher is told, its slots freed, its peer closed.
   *
   * @param detail goes into the log, so nothing of the client's own words.
   * @param cause why it never stood, where the reason does not say it.
   */
  end(connection: ClientConnection, reason: EndReason, detail: string, cause?: SetupFailure): void {
    if (connection.state === 'ended') return;
    const stood = connection.established;
    connection.state = 'ended';
    const { claim } = connection;
    this.clients.remove(claim);
    this.setups.remove(connection);
    this.ghosts.delete(connection);
    const key = clientKey(claim);
    if (this.established.get(key) === connection) this.established.delete(key);
    if (this.signalling.get(key) === connection) this.signalling.delete(key);
    this.parts.conversations.disconnect(claim.userid, connection, performance.now());
    this.life.ended(connection, stood, reason, detail, cause);
    connection.watcher.current?.ended(reason, detail, cause);
    const told = this.parts.events.ended(connection, reason === 'replaced' || reason === 'draining' ? reason : null);
    connection.seat.vacate(() => this.release(connection, told ? FAREWELL_MS : 0));
  }

  /** Ends those that do not stand yet. */
  endUnestablished(reason: EndReason, detail: string): void {
    for (const connection of this.setups.all()) this.end(connection, reason, detail);
  }

  /** Ends all of them. Resolves once nothing is held any more. */
  endAll(reason: EndReason, detail: string): Promise<void> {
    this.endUnestablished(reason, detail);
    for (const connection of this.parts.receivers) {
      if (connection !== undefined) this.end(connection, reason, detail);
    }
    return this.inUse === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  /** Somebody else needs its place. */
  private displace(connection: ClientConnection): void {
    this.end(connection, 'full', 'a newer connection took the place', 'displaced');
  }

  private establish(connection: ClientConnection): void {
    if (connection.state !== 'signalling') return;
    const { claim } = connection;
    const key = clientKey(claim);
    const member = this.parts.conversations.connect(claim.userid, connection);
    if (member === null) return this.end(connection, 'full', 'no room for another user');
    const older = this.established.get(key);
    this.established.set(key, connection);
    this.signalling.delete(key);
    this.setups.remove(connection);
    connection.user = member.user;
    connection.mutedByOperator = member.mutedByOperator;
    connection.state = 'established';
    connection.establishedAt = performance.now();
    if (older !== undefined) this.end(older, 'replaced', 'a newer connection of the same client');
    this.life.established(connection, member.conversation);
    if (member.mutedByOperator) this.parts.events.mutedByOperator(connection);
    this.seat(connection, member.conversation);
    connection.watcher.current?.connected();
  }

  private seat(connection: ClientConnection, conversation: Conversation | null, kicked = false): void {
    connection.seat.place(conversation);
    this.parts.events.placed(connection, kicked);
  }

  private receive(connection: ClientConnection, packet: Uint8Array): void {
    if (isRtcp(packet)) this.rtcp.receive(connection, packet);
    else this.ingress.take(connection, packet);
  }

  /** The last step: nothing writes for the connection any more, and all that was written has been sent. */
  private release(connection: ClientConnection, linger: number): void {
    this.parts.events.ended(connection, null);
    connection.peer?.close(linger);
    if (connection.index >= 0) {
      this.parts.receivers[connection.index] = undefined;
      this.indexes.give(connection.index);
    }
    this.inUse--;
    if (this.inUse === 0) for (const resolve of this.idle.splice(0)) resolve();
  }
}

function clientKey({ userid, clientid }: Claim): string {
  return JSON.stringify([userid, clientid]);
}
