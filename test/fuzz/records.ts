/**
 * User records: whatever is under whatever key of the bucket, in any order. Only what is a record of the key's own user
 * counts; the registry always says what the records say; once all keys are deleted, nothing is left.
 */
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { recordKey, type UserRecord, writeRecord } from '../../src/main/cluster/messages/record.ts';
import { Mirror, type RecordListener } from '../../src/main/cluster/mirror.ts';
import type { Edit, Records } from '../../src/main/cluster/records.ts';
import { type StoredConnection, UserStore } from '../../src/main/cluster/user-store.ts';
import { Conversations } from '../../src/main/conversations/conversations.ts';
import { recordLog } from '../support/log-record.ts';
import { below, type Random } from '../support/prng.ts';
import { hostileJson } from './json.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';

const MESSAGES_A_CASE = 1000;
/** Most records: few, or as many as there can be. */
const LIMIT = 30;
const MANY = 1000;
const USERS = ['ann', 'bob', 'cid', '__proto__', 'constructor', 'x'.repeat(256), '\ud800', '😀', '.', '>', ' '];
const ROOMS = ['kitchen', '__proto__', 'x'.repeat(256), '*'];
const SELF = '100000000001';
const OTHERS = ['000000000000', 'ffffffffffff'];

class Copy {
  readonly counts = noReadCounts();
  private readonly random: Random;
  private readonly listeners = new Set<RecordListener>();
  private readonly mirror: Mirror;
  private readonly registry = new Conversations<StoredConnection>(
    { users: 1000, conversations: 1000, participants: 3 },
    1000,
  );
  private readonly store: UserStore<StoredConnection>;
  private readonly log = recordLog();
  private readonly keys = new Set<string>();
  private readonly here: StoredConnection[] = [];
  private revision = 0;
  private lastId = 0;

  constructor(random: Random) {
    const { counts, listeners, registry } = this;
    this.random = random;
    const changed: RecordListener = (userid, record) => {
      for (const listener of listeners) listener(userid, record);
    };
    this.mirror = new Mirror({ changed, counts, limit: oneIn(random, 2) ? LIMIT : MANY, now: () => 0 });
    const { mirror } = this;
    const records = {
      available: true,
      get: (userid: string) => mirror.get(userid),
      all: () => mirror.all(),
      watch: (listener: RecordListener) => listeners.add(listener),
      change: async (userid: string, edit: Edit) => {
        // NATS is asked first.
        await undefined;
        return this.change(userid, edit);
      },
    } as unknown as Records;
    const limits = { MAX_MEMBERSHIPS: 1000, MAX_CONVERSATIONS: 1000, MAX_PARTICIPANTS: 3, MAX_CONNECTIONS_PER_USER: 4 };
    const instances = {
      self: { id: 'a', incarnation: SELF, version: '1', host: 'h', pid: 1 },
      isAlive: (incarnation: string) => incarnation !== OTHERS[0],
      watch: () => () => undefined,
    };
    this.store = new UserStore({
      config: limits,
      records,
      instances,
      registry,
      log: this.log.log,
      now: () => 0,
      reaches: () => true,
    });
    this.store.start({
      place: () => undefined,
      mute: () => undefined,
      letSpeak: () => undefined,
      end: (connection) => this.disconnect(connection),
    });
  }

  async run(outcomes: Counters): Promise<number> {
    const { random, mirror } = this;
    for (let i = 0; i < MESSAGES_A_CASE; i++) {
      if (oneIn(random, 20)) this.connect();
      if (oneIn(random, 20) && this.here.length > 0) this.disconnect(pick(random, this.here));
      if (oneIn(random, 100)) this.read();
      this.take();
      if (oneIn(random, 10)) await undefined;
      insist(mirror.size <= (mirror.overflow > 0 ? LIMIT : MANY), () => `${mirror.size} records`);
    }
    await settle();
    for (const record of mirror.all()) this.checkUser(record);
    outcomes.add('records', [...mirror.all()].length);
    outcomes.add('malformed', this.counts.malformed);
    outcomes.add('other version', this.counts.otherVersion);
    outcomes.add('too many', mirror.overflow);
    await this.end();
    return MESSAGES_A_CASE;
  }

  /** The bucket tells a key. */
  private take(): void {
    const { random } = this;
    const user = pick(random, USERS);
    const connections = Array.from({ length: below(random, 3) }, (_, connection) => {
      return { clientid: `client ${below(random, 3)}`, instance: pick(random, [SELF, ...OTHERS]), connection };
    });
    const flags = { mutedByOperator: oneIn(random, 4), kicked: oneIn(random, 4) };
    const record = {
      v: 1,
      userid: user,
      conversation: oneIn(random, 4) ? null : pick(random, ROOMS),
      ...flags,
      connections,
    };
    const key = oneIn(random, 6)
      ? pick(random, [`x${below(random, 60)}`, '', '__proto__', '=', 'a.b.c'])
      : recordKey(user);
    const value = oneIn(random, 6) ? null : hostileJson(random, record);
    const revision = oneIn(random, 10) ? below(random, this.revision + 1) : ++this.revision;
    this.keys.add(key);
    this.mirror.take(key, revision, value);
  }

  /** The bucket is read anew, and is perhaps another one. */
  private read(): void {
    const { random, mirror } = this;
    mirror.beginReading(oneIn(random, 3));
    for (let i = below(random, 40); i > 0; i--) this.take();
    if (!oneIn(random, 4)) mirror.endReading(this.revision, oneIn(random, 2));
  }

  private change(userid: string, edit: Edit): UserRecord {
    const { record: before } = this.mirror.look(userid);
    const after = edit(before);
    if (after !== before) {
      this.keys.add(recordKey(userid));
      this.mirror.take(recordKey(userid), ++this.revision, writeRecord(after));
    }
    return after;
  }

  private connect(): void {
    const userid = pick(this.random, USERS);
    const claim = { userid, clientid: `client ${below(this.random, 3)}` };
    const connection = { id: ++this.lastId, claim, establishedAt: 0 };
    if (this.registry.connect(userid, connection) === null) return;
    this.here.push(connection);
    this.store.established(connection);
  }

  private disconnect(connection: StoredConnection): void {
    const at = this.here.indexOf(connection);
    if (at < 0) return;
    this.here.splice(at, 1);
    this.registry.disconnect(connection.claim.userid, connection, 0);
    this.store.ended(connection);
  }

  private checkUser({ userid, conversation, mutedByOperator }: UserRecord): void {
    const found = this.registry.find(userid);
    insist(found !== null && found.mutedByOperator === mutedByOperator, () => `${userid} is not as recorded`);
    insist(found.conversation === conversation, () => `${userid} is in ${found.conversation}, not in ${conversation}`);
  }

  /** All keys are deleted, and everybody goes. */
  private async end(): Promise<void> {
    for (const connection of [...this.here]) this.disconnect(connection);
    await settle();
    this.mirror.beginReading(false);
    this.mirror.endReading(++this.revision);
    for (const key of this.keys) this.mirror.take(key, ++this.revision, null);
    await settle();
    for (const key of this.keys) this.mirror.take(key, ++this.revision, null);
    await this.store.close(0);
    insist(this.mirror.size === 0, () => `${this.mirror.size} records are left`);
    // Of users whose records were ignored the registry may know too much.
    const left = this.mirror.overflow > 0 ? 0 : this.registry.userCount;
    insist(left === 0, () => `${left} users are left`);
    insist([...this.store.dead()].length === 0, () => 'users of dead instances are left');
    const bad = this.log.lines.find(({ level }) => level >= 50);
    insist(bad === undefined, () => `logged ${JSON.stringify(bad)}`);
  }
}

/** What waits for promises happens. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

export const records: FuzzTarget = {
  name: 'records',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      run: (random, outcomes) => new Copy(random).run(outcomes),
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
