/** The bucket in NATS' key-value store that has the records: how it is made, changed and read. */
import {
  type ClusterInfo,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { errors, type NatsConnection } from '@nats-io/transport-node';

/** Longest wait for an answer of NATS, milliseconds. */
const TIMEOUT_MS = 2000;
/** Longest message that the stream must take at least, bytes: a record of a user with many connections. */
const LEAST_MESSAGE_BYTES = 64 * 1024;
/** How many keys are asked for at a time. */
const AT_A_TIME = 16;

export interface BucketConfig {
  /** Name of the bucket. */
  readonly name: string;
  /** On how many servers of NATS it is. */
  readonly replicas: number;
}

/** Another instance changed the record first. */
export class Conflict extends Error {}

export class Bucket {
  /** When it was made, which tells it from another bucket of the same name. */
  readonly created: string;
  /** Its latest revision when it was opened. */
  readonly revision: number;
  readonly replicas: number;
  /** What is wrong with its stream; null if nothing is. */
  readonly wrong: string | null;
  /** Name of its stream, and what the subjects of its keys begin with. */
  readonly stream: string;
  readonly prefix: string;
  readonly manager: JetStreamManager;
  private readonly kv: KV;

  /** Opens the bucket, and makes it if there is none. Rejects with NATS' error. */
  static async open(connection: NatsConnection, { name, replicas }: BucketConfig): Promise<Bucket> {
    const client = jetstream(connection, { timeout: TIMEOUT_MS });
    // Only the leader is asked: a replica may not have heard of the latest change.
    const kv = await new Kvm(client).create(name, { replicas, history: 1, allow_direct: false, timeout: TIMEOUT_MS });
    const { streamInfo } = await kv.status();
    const { created, state, config } = streamInfo;
    const manager = await client.jetstreamManager(false);
    const wrong = whatIsWrong(config, `$KV.${name}.>`);
    const facts = { created: String(created), revision: state.last_seq, replicas: config.num_replicas, wrong };
    return new Bucket(kv, manager, name, config.name, facts);
  }

  private constructor(
    kv: KV,
    manager: JetStreamManager,
    name: string,
    stream: string,
    facts: Pick<Bucket, 'created' | 'revision' | 'replicas' | 'wrong'>,
  ) {
    this.kv = kv;
    this.manager = manager;
    this.stream = stream;
    this.prefix = `$KV.${name}.`;
    this.created = facts.created;
    this.revision = facts.revision;
    this.replicas = facts.replicas;
    this.wrong = facts.wrong;
  }

  /**
   * Puts a value in place of a revision, 0 for none. Rejects with {@link Conflict} if another one is there.
   *
   * @returns the new revision.
   */
  put(key: string, value: Uint8Array, revision: number): Promise<number> {
    const put = revision === 0 ? this.kv.create(key, value) : this.kv.put(key, value, { previousSeq: revision });
    return put.catch(asConflict);
  }

  /** Replaces a revision, not 0, by a delete marker. Rejects with {@link Conflict} if another one is there. */
  delete(key: string, revision: number): Promise<void> {
    return this.kv.delete(key, { previousSeq: revision }).catch(asConflict);
  }

  /** Removes a delete marker for good, unless the key has something else by now. */
  async purge(revision: number): Promise<void> {
    try {
      await this.manager.streams.deleteMessage(this.stream, revision, false);
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
    }
  }

  /** Returns a key's revision as the leader of the bucket knows it; 0 for none. */
  async revisionOf(key: string): Promise<number> {
    const entry = await this.kv.get(key);
    return entry === null || entry.operation !== 'PUT' ? 0 : entry.revision;
  }

  /** Returns those of the keys that it has. */
  async existing(keys: readonly string[]): Promise<string[]> {
    const rest = [...keys];
    const existing: string[] = [];
    const ask = async (): Promise<void> => {
      for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
        if ((await this.revisionOf(key)) > 0) existing.push(key);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, ask));
    return existing;
  }

  /**
   * Returns how many keys it has, those with a delete marker included, its latest revision, and what is wrong with it.
   * Rejects also if its servers have no majority: the last one goes on answering, but changes nothing.
   */
  async look(): Promise<{ keys: number; revision: number; wrong: string | null }> {
    const { state, config, cluster } = await this.manager.streams.info(this.stream);
    if (!hasMajority(cluster)) throw new Error(`most servers of NATS that have ${this.stream} are gone`);
    const { num_subjects: keys = state.messages, last_seq: revision } = state;
    return { keys, revision, wrong: whatIsWrong(config, `${this.prefix}>`) };
  }
}

/**
 * Whether most of a stream's servers agree on who leads it, as one of them tells.
 *
 * @param cluster undefined for a NATS of a single server.
 */
export function hasMajority(cluster: Partial<ClusterInfo> | undefined): boolean {
  if (cluster === undefined) return true;
  const { leader = '', replicas = [] } = cluster;
  const current = 1 + replicas.filter(({ current }) => current).length;
  return leader !== '' && 2 * current > 1 + replicas.length;
}

/** Whether NATS may open the bucket in a moment, because its servers have yet to agree on who leads. */
export function isMomentary(error: unknown): boolean {
  return error instanceof Error && /timeout|temporarily unavailable|no leader|not current|offline/i.test(error.message);
}

/** Returns the message for operators about a bucket that could not be opened at the start. */
export function whyNotOpened(error: unknown, name: string): string {
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof errors.NoRespondersError || /not enabled|no responders/i.test(message)) {
    return 'NATS has no JetStream, which keeps who is where: start it with -js and a store_dir';
  }
  return `NATS cannot keep the bucket ${name} (${message}): check NATS_REPLICAS, its disk, and the user's permissions`;
}

/** Returns which properties of a bucket's stream lose records or refuse them, for operators; null for none. */
export function whatIsWrong(config: StreamConfig, subject: string): string | null {
  const { max_age, max_msgs, max_bytes, max_msg_size, max_msgs_per_subject, discard, subjects, sealed, name } = config;
  const evicts = discard !== DiscardPolicy.New && (max_msgs > 0 || max_bytes > 0);
  const wrong = [
    [max_age > 0, 'max_age'],
    [evicts, 'discard'],
    [max_msg_size > 0 && max_msg_size < LEAST_MESSAGE_BYTES, 'max_msg_size'],
    [max_msgs_per_subject !== 1, 'max_msgs_per_subject'],
    [!subjects.includes(subject), 'subjects'],
    [sealed, 'sealed'],
  ] as const;
  const names = wrong.filter(([is]) => is).map(([, property]) => property);
  if (names.length === 0) return null;
  return `NATS's stream ${name} was changed (${names.join(', ')}), so memberships may be lost or refused: undo that with nats stream edit, or delete it, and the instances make it anew`;
}

function asConflict(error: unknown): never {
  const code = error instanceof JetStreamApiError ? error.code : null;
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes;
  if (code === StreamWrongLastSequence || code === StreamWrongLastSequenceUnknown) throw new Conflict();
  throw error;
}
