/**
 * A client of NATS that listens to everything, and publishes lies on every subject that it has heard of: those of the
 * cluster, the keys of its bucket, inboxes, and JetStream's interface.
 */
import { connect, headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { hostileJson } from '../fuzz/json.ts';
import { Counters, oneIn, pick } from '../fuzz/target.ts';
import { mutateBytes } from '../fuzz/wire.ts';
import { bytes } from './packets.ts';
import { below, type Random } from './prng.ts';

const BUCKET = 'sfu_users';
const STREAM = `KV_${BUCKET}`;
/** What is kept of what was heard, for each kind of subject. */
const MEMORY = 40;
const LONGEST = 4096;
/** Keys that it invents: few, because each counts as a user. */
const INVENTED = 200;

/** Kinds of lies. `bucket` lies about records, `jetstream` has NATS do something. */
export const LIES = [
  'beat',
  'id',
  'instance',
  'conversation',
  'media',
  'inbox',
  'bucket',
  'jetstream',
  'large',
] as const;
export type Lie = (typeof LIES)[number];

interface Heard {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string | undefined;
  readonly headers: MsgHdrs | undefined;
}

export class HostileBus {
  /** How often it lied, by kind. */
  readonly told = new Counters();
  private readonly bus: NatsConnection;
  private readonly heard = new Map<string, Heard[]>();
  private count = 0;
  private invented = false;

  static async connect(url: string): Promise<HostileBus> {
    return new HostileBus(await connect({ servers: url, noEcho: true, name: 'hostile' }));
  }

  private constructor(bus: NatsConnection) {
    this.bus = bus;
    bus.subscribe('>', {
      callback: (error, { subject, data, reply, headers: head }) => {
        if (error === null) this.hear({ subject, data: Uint8Array.from(data), reply, headers: head });
      },
    });
  }

  /**
   * Publishes lies, and waits until NATS has them.
   *
   * @param kinds which of them. @param invented whether all are in the names of instances that do not exist.
   */
  async lie(random: Random, count: number, kinds: readonly Lie[] = LIES, invented = false): Promise<void> {
    this.invented = invented;
    for (let i = 0; i < count; i++) {
      const kind = pick(random, kinds);
      this.told.add(kind);
      try {
        this.one(random, kind);
      } catch (error) {
        // A subject, or a header, that the client itself does not let out.
        this.told.add(`kept by the client: ${(error as Error).name}`);
      }
    }
    await this.bus.flush();
  }

  /** Asks JetStream for something. @returns its answer. */
  async api(what: string, body: object = {}): Promise<Record<string, unknown>> {
    const answer = await this.bus.request(`$JS.API.${what}`, JSON.stringify(body), { timeout: 5000 });
    return answer.json();
  }

  /** Publishes one message. */
  async publish(subject: string, data: Uint8Array, head?: MsgHdrs): Promise<void> {
    this.bus.publish(subject, data, head === undefined ? {} : { headers: head });
    await this.bus.flush();
  }

  /** Returns what it has heard lately on subjects that begin so. */
  lately(prefix: string): readonly Heard[] {
    return [...this.heard.values()].flat().filter(({ subject }) => subject.startsWith(prefix));
  }

  close(): Promise<void> {
    return this.bus.close();
  }

  private hear(heard: Heard): void {
    const kind = kindOf(heard.subject);
    const all = this.heard.get(kind) ?? [];
    this.heard.set(kind, all);
    if (all.length < MEMORY) all.push(heard);
    else all[this.count++ % MEMORY] = heard;
  }

  private one(random: Random, kind: Lie): void {
    if (kind === 'jetstream') return this.jetstream(random);
    if (kind === 'large') return this.large(random);
    const truths = this.heard.get(kind) ?? [];
    if (truths.length === 0) return;
    const truth = pick(random, truths);
    if (kind === 'bucket') return this.bucket(random, truth);
    const { subject } = oneIn(random, 6) ? pick(random, truths) : truth;
    const reply = oneIn(random, 3)
      ? pick(random, [truth.reply, 'sfu.inbox.nobody', '$JS.ACK.x', subject])
      : truth.reply;
    const head = kind === 'inbox' ? headersOf(random, truth.headers) : undefined;
    const options = { ...(reply ? { reply } : {}), ...(head === undefined ? {} : { headers: head }) };
    this.bus.publish(subject, changed(random, truth.data, this.invented), options);
  }

  private bucket(random: Random, truth: Heard): void {
    const invented = `$KV.${BUCKET}.${Buffer.from(`x${below(random, INVENTED)}`).toString('base64url')}`;
    const subject = oneIn(random, 3) ? invented : truth.subject;
    const head = oneIn(random, 3) ? headersOf(random, undefined) : undefined;
    this.bus.publish(subject, changed(random, truth.data, false), head === undefined ? {} : { headers: head });
  }

  /** Has NATS delete, purge or change something. */
  private jetstream(random: Random): void {
    const consumers = this.heard.get('consumer') ?? [];
    const consumer = consumers.length === 0 ? 'x' : pick(random, consumers).subject.split('.')[5];
    const limits = pick(random, [{ max_age: 1e9 }, { max_msgs: 3 }, { max_bytes: 2000 }, { max_msg_size: 50 }, {}]);
    const kept = {
      name: STREAM,
      subjects: [`$KV.${BUCKET}.>`],
      max_msgs_per_subject: 1,
      discard: 'new',
      num_replicas: 1,
    };
    const flags = { allow_rollup_hdrs: true, deny_delete: true, storage: 'file', retention: 'limits' };
    const [what, body] = pick(random, [
      [`STREAM.MSG.DELETE.${STREAM}`, { seq: below(random, 300), no_erase: true }],
      [`STREAM.MSG.DELETE.${STREAM}`, { seq: below(random, 300), no_erase: true }],
      [`STREAM.PURGE.${STREAM}`, {}],
      [`STREAM.UPDATE.${STREAM}`, { ...kept, ...flags, ...limits }],
      [`STREAM.DELETE.${STREAM}`, {}],
      [`CONSUMER.DELETE.${STREAM}.${consumer}`, {}],
      [`CONSUMER.DELETE.${STREAM}.${consumer}`, {}],
      [`STREAM.INFO.${STREAM}`, {}],
    ] as const);
    this.bus.publish(`$JS.API.${what}`, oneIn(random, 6) ? hostileJson(random, body) : JSON.stringify(body), {
      reply: 'hostile.answers',
    });
  }

  private large(random: Random): void {
    const all = [...this.heard.values()].flat().filter(({ subject }) => subject.startsWith('sfu.'));
    if (all.length === 0 || !oneIn(random, 8)) return;
    const size = below(random, 1_000_000);
    const data = oneIn(random, 2)
      ? Buffer.alloc(size, pick(random, ['[', '{"v":', ' ', '\u0000']))
      : junk(random, size);
    this.bus.publish(pick(random, all).subject, data);
  }
}

function kindOf(subject: string): string {
  const [first = '', second = ''] = subject.split('.');
  if (first === 'sfu') return second;
  if (first === '$KV') return 'bucket';
  return subject.startsWith(`$JS.API.CONSUMER.CREATE.${STREAM}`) ? 'consumer' : 'other';
}

/** Returns a message, changed. @param invented whether it is in the name of nobody. */
function changed(random: Random, data: Uint8Array, invented: boolean): Uint8Array {
  if (oneIn(random, 8)) return bytes(random, below(random, 300));
  const other = below(random, 900).toString(16).padStart(12, 'f');
  try {
    const message = JSON.parse(Buffer.from(data).toString()) as object;
    return hostileJson(random, invented || oneIn(random, 2) ? inTheNameOf(other, message) : message);
  } catch {
    const copy = Buffer.alloc(Math.max(LONGEST, data.length));
    copy.set(data);
    const length = data.length === 0 ? 0 : mutateBytes(random, copy, data.length, copy.length);
    if (invented && length > 8) copy.write(other, 2, 'hex');
    return copy.subarray(0, length);
  }
}

function inTheNameOf(other: string, message: object): object {
  const id = 'incarnation' in message ? { incarnation: other, id: `x${other.slice(-3)}` } : {};
  return { ...message, ...('from' in message ? { from: other } : {}), ...id };
}

function headersOf(random: Random, before: MsgHdrs | undefined): MsgHdrs {
  const head = oneIn(random, 3) ? headers(pick(random, [100, 404, 408, 409, 503]), 'Lie') : headers();
  for (const [name, values] of before ?? [])
    if (!oneIn(random, 3)) for (const value of values) head.append(name, value);
  const [name, value] = pick(random, [
    ['KV-Operation', 'DEL'],
    ['KV-Operation', 'PURGE'],
    ['Nats-Rollup', 'sub'],
    ['Nats-Rollup', 'all'],
    ['Nats-Marker-Reason', 'MaxAge'],
    ['Nats-Last-Consumer', '7'],
    ['Nats-Last-Stream', 'x'],
    ['Nats-Consumer-Stalled', '$JS.FC.x'],
    ['Nats-Pending-Messages', '-1'],
  ] as const);
  head.set(name, value);
  return head;
}

function junk(random: Random, size: number): Buffer {
  const one = bytes(random, 1000);
  return Buffer.concat(Array.from({ length: Math.ceil(size / 1000) }, () => one)).subarray(0, size);
}
