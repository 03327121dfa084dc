/** The life of connections with everything around it made up: no native peers, no threads, no clock. */
import { ok } from 'uvu/assert';
import type { Claim } from '../../src/main/claim.ts';
import { type Config, readConfig } from '../../src/main/config.ts';
import type { ClientConnection, ConnectionWatcher } from '../../src/main/connections/client-connection.ts';
import type { ConnectionEvents } from '../../src/main/connections/connection-events.ts';
import { Connections } from '../../src/main/connections/connections.ts';
import type { ConnectionsParts } from '../../src/main/connections/connections-parts.ts';
import { Conversations } from '../../src/main/conversations/conversations.ts';
import { IndexPool } from '../../src/main/conversations/index-pool.ts';
import { Seats } from '../../src/main/conversations/seats.ts';
import { createLog } from '../../src/main/log/log.ts';
import { Ingress } from '../../src/main/media/ingress.ts';
import type { MediaPeer, PeerEvents } from '../../src/main/media/media-peer.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import { Rtcp } from '../../src/main/rtcp/rtcp.ts';
import { planOffer } from '../../src/main/sdp/plan.ts';
import type { LocalTransport } from '../../src/main/sdp/transport.ts';
import { type EndReason, NO_TELEMETRY, type SetupFailure, type Telemetry } from '../../src/main/telemetry.ts';
import { SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { SOURCE_WORDS } from '../../src/workers/protocol.ts';

import { readOffer } from './offers.ts';
import { LIMITS } from './plans.ts';
import { LOCAL } from './sdp-syntax.ts';

const LOG = createLog('silent');
/** Three slots and a publication. */
export const PLAN = planOffer(readOffer('chromium-156-slots-3'), LIMITS);

/** A client's end that does as the test says. */
export class FakePeer implements MediaPeer {
  reachable = false;
  received = 0;
  offloaded = false;
  /** How long it was to linger when it was closed, milliseconds; null while it is open. */
  closedAfter: number | null = null;
  readonly client: string;
  readonly addresses: readonly string[];
  readonly events: PeerEvents;
  readonly candidates: string[] = [];
  readonly sent: Uint8Array[] = [];
  /** Settles {@link accept}. */
  answer: () => void = () => undefined;
  refuse: (error: Error) => void = () => undefined;
  private readonly local: LocalTransport;

  constructor(client: string, addresses: readonly string[], events: PeerEvents, ufrag: string) {
    this.client = client;
    this.addresses = addresses;
    this.events = events;
    this.local = { ...LOCAL, ufrag };
  }

  accept(): Promise<LocalTransport> {
    return new Promise((resolve, reject) => {
      this.answer = () => resolve(this.local);
      this.refuse = reject;
    });
  }

  addCandidate(candidate: string): void {
    this.candidates.push(candidate);
  }

  send(packet: Uint8Array): boolean {
    this.sent.push(packet);
    return true;
  }

  offload(): void {
    this.offloaded = true;
  }

  close(linger = 0): void {
    ok(this.closedAfter === null, 'a peer is closed once');
    this.closedAfter = linger;
  }

  /** ICE finds a way, DTLS is done. */
  connect(): void {
    this.reachable = true;
    this.events.connected();
  }
}

/** A worker that lets go of connections at once, unless it is slow. */
export class FakeShard {
  load = 0;
  slow = false;
  /** What it was told, and the packets it got. */
  readonly told: string[] = [];
  private readonly leaving: (() => void)[] = [];

  join({ connection, conversation, user }: { connection: number; conversation: number; user: number }): void {
    this.told.push(`join ${connection} of user ${user} to ${conversation}`);
  }

  leave(connection: number, then: () => void): void {
    this.told.push(`leave ${connection}`);
    if (this.slow) this.leaving.push(then);
    else then();
  }

  mute(connection: number, muted: boolean): void {
    this.told.push(`${muted ? 'mute' : 'unmute'} ${connection}`);
  }

  push(connection: number): boolean {
    this.told.push(`packet of ${connection}`);
    return true;
  }

  /** Lets go of those that asked first. */
  letGo(count = this.leaving.length): void {
    for (const then of this.leaving.splice(0, count)) then();
  }
}

/** Notes down what a client is told on its websocket. */
export class Watcher implements ConnectionWatcher {
  readonly told: string[] = [];

  connected(): void {
    this.told.push('connected');
  }

  ended(reason: EndReason, _detail: string, cause?: SetupFailure): void {
    this.told.push(`ended: ${cause ?? reason}`);
  }
}

/** A client with a connection. */
export interface Attempt {
  readonly connection: ClientConnection;
  readonly watcher: Watcher;
  readonly peer: FakePeer;
  /** Resolves as `Connections.open` does. */
  readonly opened: Promise<unknown>;
}

export class ConnectionsFixture {
  now = 1000;
  readonly shard = new FakeShard();
  readonly registry: Conversations<ClientConnection>;
  readonly indexes: IndexPool;
  readonly receivers: (ClientConnection | undefined)[];
  readonly sources: Int32Array;
  readonly connections: Connections;
  readonly config: Config;
  readonly peers: FakePeer[] = [];
  /** What clients were told by events, and what was counted. */
  readonly told: string[] = [];
  readonly counted: string[] = [];
  /** Whether clients have a channel to be told on why their connection ends. */
  channels = true;
  /** The library's answer to the next peer. */
  refusal: Error | null = null;

  constructor(settings: Readonly<Record<string, string>> = {}, parts: Partial<ConnectionsParts> = {}) {
    const config = readConfig({ MAX_CONNECTIONS: '4', MAX_SLOTS: '8', ...settings });
    const { MAX_CONNECTIONS: max, MAX_MEMBERSHIPS: users, MAX_CONVERSATIONS, MAX_PARTICIPANTS } = config;
    const limits = { users, conversations: MAX_CONVERSATIONS, participants: MAX_PARTICIPANTS };
    this.config = config;
    this.receivers = new Array(max).fill(undefined);
    this.sources = new Int32Array(max * SOURCE_WORDS);
    this.indexes = new IndexPool(max, this.sources);
    this.registry = new Conversations(limits, config.MEMBERSHIP_TIMEOUT_MS);
    const slots = new Int32Array(max * config.MAX_SLOTS * SLOT_WORDS);
    const telemetry: Telemetry = {
      ...NO_TELEMETRY,
      established: (ms) => this.counted.push(`established after ${ms}`),
      failed: (cause) => this.counted.push(`failed: ${cause}`),
      ended: (reason, ms) => this.counted.push(`ended: ${reason} after ${ms}`),
    };
    const { receivers, sources } = this;
    this.connections = new Connections({
      config,
      conversations: this.registry,
      seats: new Seats(() => this.shard as unknown as Shard),
      indexes: this.indexes,
      ingress: new Ingress(),
      openPeer: (client, addresses, _, events) => {
        if (this.refusal !== null) throw this.refusal;
        const peer = new FakePeer(client, addresses, events, `fragment ${this.peers.length}`);
        this.peers.push(peer);
        return peer;
      },
      events: this.events(),
      rtcp: new Rtcp({ receivers, slots, slotsPerConnection: config.MAX_SLOTS, sources, telemetry }),
      slots,
      sources,
      receivers,
      log: LOG,
      telemetry,
      now: () => this.now,
      ...parts,
    });
  }

  /** A request, whose websocket opens. */
  request(userid: string, clientid = 'tab'): { connection: ClientConnection; watcher: Watcher } {
    const connection = this.connections.reserve({ userid, clientid });
    const watcher = new Watcher();
    this.connections.begin(connection, watcher);
    return { connection, watcher };
  }

  /** The same, and its offer, which the library takes when the test says so. */
  offer(userid: string, clientid = 'tab'): Attempt {
    const { connection, watcher } = this.request(userid, clientid);
    ok(this.connections.admit(connection), 'there is a place');
    const opened = this.connections.open(connection, PLAN, ['192.0.2.1:9']);
    return { connection, watcher, peer: this.peers.at(-1)!, opened };
  }

  /** The same, and its answer. */
  async answer(userid: string, clientid = 'tab'): Promise<Attempt> {
    const attempt = this.offer(userid, clientid);
    attempt.peer.answer();
    await attempt.opened;
    attempt.connection.answeredAt = this.now;
    return attempt;
  }

  /** The same, and it is established. */
  async connect(userid: string, clientid = 'tab'): Promise<Attempt> {
    const attempt = await this.answer(userid, clientid);
    attempt.peer.connect();
    return attempt;
  }

  /** A join as it follows from a request. */
  join(userid: string, conversation: string): void {
    const placement = this.registry.join(userid, conversation, this.now);
    ok(typeof placement !== 'string');
    this.connections.place(placement);
  }

  private events(): ConnectionEvents {
    const name = ({ claim }: { claim: Claim }): string => `${claim.userid}/${claim.clientid}`;
    return {
      label: 'events',
      opened: (connection) => {
        this.told.push(`${name(connection)} listens`);
        return { message: () => undefined, closed: () => undefined };
      },
      placed: (connection, kicked) => {
        const where = connection.seat.destination?.id ?? 'nowhere';
        this.told.push(`${name(connection)} is in ${where}${kicked ? ', kicked' : ''}`);
      },
      mutedByOperator: (connection) => this.told.push(`${name(connection)} is ${connection.muted ? '' : 'un'}muted`),
      letSpeak: (connection) => this.told.push(`${name(connection)} may${connection.maySpeak ? '' : ' not'} speak`),
      badRed: (connection) => this.told.push(`${name(connection)} has bad RED`),
      ended: (connection, why) => {
        if (why !== null) this.told.push(`${name(connection)} ends: ${why}`);
        return why !== null && this.channels;
      },
    };
  }
}
