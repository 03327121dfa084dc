/** Instances of a cluster, without peers and media: their registries, user records and janitors on a real NATS. */
import { randomBytes } from 'node:crypto';
import type { Instance, InstanceWatcher } from '../../src/main/cluster/instances.ts';
import { Janitor } from '../../src/main/cluster/janitor.ts';
import type { Link } from '../../src/main/cluster/link.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { Records } from '../../src/main/cluster/records.ts';
import { type StoredConnection, UserStore } from '../../src/main/cluster/user-store.ts';
import { Conversations } from '../../src/main/conversations/conversations.ts';
import type { Placement } from '../../src/main/conversations/registry-types.ts';
import { RequestError } from '../../src/main/errors.ts';
import { timers } from '../../src/main/timers.ts';
import { recordLog } from './log-record.ts';
import { openLink } from './nats-link.ts';

export interface MemberOptions {
  readonly participants?: number;
  readonly perUser?: number;
  /** How long a membership outlasts the last connection, milliseconds. */
  readonly patience?: number;
  readonly limit?: number;
}

/** Who lives, as all members of one cluster see it: no heartbeats, no waiting. */
export class Roll {
  private readonly living = new Map<string, InstanceWatcher[]>();
  private readonly left = new Set<string>();
  private readonly cut = new Set<string>();

  enter(incarnation: string): void {
    this.living.set(incarnation, []);
    this.tell(incarnation, (watcher, instance) => watcher.appeared?.(instance));
  }

  /** An instance is dead to the others. @param left whether it said goodbye. */
  die(incarnation: string, left = false): void {
    this.living.delete(incarnation);
    if (left) this.left.add(incarnation);
    this.tell(incarnation, (watcher, instance) => watcher.gone?.(instance, 'silent'));
  }

  of(incarnation: string) {
    const { living, left, cut } = this;
    return {
      self: { id: incarnation, incarnation, version: '0', host: 'here', pid: 1 },
      isAlive: (other: string): boolean => other === incarnation || living.has(other),
      hasLeft: (other: string): boolean => left.has(other),
      get settled(): boolean {
        return !cut.has(incarnation);
      },
      get leads(): boolean {
        return !cut.has(incarnation) && [...living.keys()].every((other) => other >= incarnation);
      },
      watch: (watcher: InstanceWatcher): (() => void) => {
        living.get(incarnation)?.push(watcher);
        return () => undefined;
      },
    };
  }

  private tell(incarnation: string, act: (watcher: InstanceWatcher, instance: Instance) => void): void {
    for (const [other, watchers] of this.living) {
      if (other !== incarnation) for (const watcher of watchers) act(watcher, { incarnation } as Instance);
    }
  }
}

export class Member {
  static readonly CLUSTER = 'test';
  readonly incarnation: string;
  readonly link: Link;
  readonly records: Records;
  readonly registry: Conversations<StoredConnection>;
  readonly store: UserStore<StoredConnection>;
  readonly janitor: Janitor;
  readonly counts = noReadCounts();
  readonly log = recordLog();
  /** What connections were told. */
  readonly told: string[] = [];
  /** Ids of the connections that may not speak. */
  readonly listening = new Set<number>();
  private readonly roll: Roll;
  private lastId = 0;

  /** Starts a member. @param incarnation by default a random one. */
  static async start(
    url: string,
    roll: Roll,
    options: MemberOptions = {},
    incarnation = randomBytes(6).toString('hex'),
  ): Promise<Member> {
    const log = recordLog();
    const link = await openLink(url, { CLUSTER: Member.CLUSTER }, log.log);
    roll.enter(incarnation);
    const member = new Member(link, roll, incarnation, options);
    await member.records.start();
    member.store.start({
      place: ({ connections, conversation }: Placement<StoredConnection>, kicked = false) => {
        for (const { claim } of connections) {
          member.told.push(`${claim.clientid} in ${conversation?.id ?? 'none'}${kicked ? ' kicked' : ''}`);
        }
      },
      mute: (connections, muted) => {
        for (const { claim } of connections) member.told.push(`${claim.clientid} ${muted ? 'muted' : 'unmuted'}`);
      },
      letSpeak: (connections, maySpeak) => {
        for (const { claim, id } of connections) {
          if (member.listening.has(id) !== maySpeak) continue;
          if (maySpeak) member.listening.delete(id);
          else member.listening.add(id);
          member.told.push(`${claim.clientid} ${maySpeak ? 'may speak' : 'may not speak'}`);
        }
      },
      end: (connection, reason) => {
        member.told.push(`${connection.claim.clientid} ended ${reason}`);
        member.disconnect(connection);
      },
    });
    return member;
  }

  private constructor(link: Link, roll: Roll, incarnation: string, options: MemberOptions) {
    const { participants = 100, perUser = 8, patience = 300_000, limit = 100_000 } = options;
    const { log } = this.log;
    const now = (): number => performance.now();
    const instances = roll.of(incarnation);
    this.incarnation = incarnation;
    this.link = link;
    this.roll = roll;
    const { counts } = this;
    this.records = new Records({ link, cluster: Member.CLUSTER, replicas: 1, limit, counts, log });
    this.registry = new Conversations({ users: 100_000, conversations: 100_000, participants }, patience);
    const config = {
      MAX_MEMBERSHIPS: 100_000,
      MAX_CONVERSATIONS: 100_000,
      MAX_PARTICIPANTS: participants,
      MAX_CONNECTIONS_PER_USER: perUser,
    };
    const { records, registry } = this;
    this.store = new UserStore({ config, records, instances, registry, reaches: () => true, log, now });
    this.janitor = new Janitor({ records, instances, registry, users: this.store, timers, now });
  }

  /** A client is connected here. */
  connect(userid: string, clientid = `${userid}'s tab`): StoredConnection {
    const connection = { id: ++this.lastId, claim: { userid, clientid }, establishedAt: performance.now() };
    this.registry.connect(userid, connection);
    this.store.established(connection);
    return connection;
  }

  disconnect(connection: StoredConnection): void {
    this.registry.disconnect(connection.claim.userid, connection, performance.now());
    this.store.ended(connection);
  }

  /** The clients of a user in its record, with `here` for those of this member. */
  recorded(userid: string): string[] {
    const connections = this.records.get(userid)?.connections ?? [];
    return connections.map(
      ({ clientid, instance }) => `${clientid} ${instance === this.incarnation ? 'here' : 'there'}`,
    );
  }

  /** The conversation of a user in its record; undefined without one. */
  conversation(userid: string): string | null | undefined {
    return this.records.get(userid)?.conversation;
  }

  /** Ends it as an operator would. */
  async close(): Promise<void> {
    await this.janitor.close();
    await this.store.close(2000);
    this.records.close();
    await this.link.close();
    this.roll.die(this.incarnation, true);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.janitor.close();
    this.records.close();
    await this.link.close();
    this.roll.die(this.incarnation);
  }
}

/** Resolves with the kind of a refusal, or `made`. */
export function outcome(done: Promise<unknown> | undefined): Promise<string> {
  return Promise.resolve(done).then(
    () => 'made',
    (error: unknown) => {
      if (error instanceof RequestError) return error.kind;
      throw error;
    },
  );
}
