/**
 * Asks the other instances for connections that operators look for, and answers when they ask. What an answer holds is
 * for people's eyes, so a connection that has just come or gone may be missing or stay.
 */
import { performance } from 'node:perf_hooks';
import * as v from 'valibot';
import type { Bus, Subscription } from './bus.ts';
import type { Identity } from './identity.ts';
import type { Instance } from './instances.ts';
import { count, time } from './messages/parts.ts';
import { type ReadCounts, readFamily, readMessage, writeMessage } from './messages/read.ts';
import type { Subjects } from './subjects.ts';

/** How long all answers together may take, milliseconds. */
const TIMEOUT_MS = 1000;
/** Characters of connections in one answer. Each has three bytes at most in UTF-8, and NATS takes a megabyte. */
const MAX_ANSWER_LENGTH = 250_000;
/** Answers that are taken from one instance. */
const MAX_ANSWERS = 100;
/** Characters of the longest id. */
const MAX_ID_LENGTH = 256;

const id = v.pipe(v.string(), v.maxLength(MAX_ID_LENGTH));
const direction = v.exactOptional(v.object({ loss: v.pipe(v.number(), v.finite()), jitterMs: time }));

/** A connection as an instance describes it. */
const connection = v.object({
  userid: id,
  connection: v.nullable(count),
  clientid: id,
  state: v.pipe(v.string(), v.maxLength(32)),
  seconds: count,
  number: count,
  slots: count,
  publishes: v.boolean(),
  muted: v.boolean(),
  deafened: v.boolean(),
  speaking: v.boolean(),
  /** Versions that know no hands leave it out. */
  hand: v.optional(v.boolean(), false),
  uplink: direction,
  downlink: direction,
  rttMs: v.exactOptional(time),
});
export type SeenConnection = v.InferOutput<typeof connection>;

/** What is asked for: the connections of a conversation's users, or of one user, from this one on. */
const question = v.object({ id, from: count });
const QUESTIONS = { conversation: question, user: question } as const;
export type About = keyof typeof QUESTIONS;

/** The answer to both. `next` is the `from` of the rest; null at the end. */
const answer = v.object({ connections: v.array(connection), next: v.nullable(count) });

/** Describes this instance's own connections. */
export type Witness = { readonly [A in About]: (id: string) => readonly SeenConnection[] };

/** Connections on other instances. */
export interface Found {
  readonly connections: readonly (SeenConnection & { readonly instance: string })[];
  /** Ids of the instances that did not answer, or not all of it, in time. */
  readonly missing: readonly string[];
}

export interface InquiryParts {
  readonly bus: Bus;
  readonly subjects: Pick<Subjects, 'instance'>;
  readonly instances: {
    readonly self: Pick<Identity, 'incarnation'>;
    all(): readonly Pick<Instance, 'id' | 'incarnation'>[];
  };
  readonly witness: Witness;
  readonly counts: ReadCounts;
  /** Milliseconds. */
  readonly now?: () => number;
}

export class Inquiry {
  private readonly parts: InquiryParts;
  private readonly now: () => number;
  private readonly subscription: Subscription;

  /** Begins to answer. */
  constructor(parts: InquiryParts) {
    this.parts = parts;
    this.now = parts.now ?? (() => performance.now());
    const own = parts.subjects.instance(parts.instances.self.incarnation);
    this.subscription = parts.bus.subscribe(own, (data, reply) => this.reply(data, reply));
  }

  /** Asks all other instances, each of them at once. Never rejects. */
  async ask(about: About, id: string): Promise<Found> {
    const until = this.now() + TIMEOUT_MS;
    const connections: (SeenConnection & { instance: string })[] = [];
    const missing: string[] = [];
    const asked = this.parts.instances.all().map(async ({ id: instance, incarnation }) => {
      const take = (found: readonly SeenConnection[]): void => {
        for (const one of found) connections.push({ instance, ...one });
      };
      if (!(await this.askOne(incarnation, about, id, until, take))) missing.push(instance);
    });
    await Promise.all(asked);
    return { connections, missing: missing.sort() };
  }

  close(): void {
    this.subscription.close();
  }

  /** Asks one instance, again for as long as there is more. @returns whether it told everything in time. */
  private async askOne(
    incarnation: string,
    about: About,
    id: string,
    until: number,
    take: (found: readonly SeenConnection[]) => void,
  ): Promise<boolean> {
    const { bus, subjects, counts } = this.parts;
    const subject = subjects.instance(incarnation);
    let from = 0;
    for (let i = 0; i < MAX_ANSWERS; i++) {
      const left = until - this.now();
      if (left < 1) return false;
      const data = await bus.request(subject, writeMessage({ type: about, id, from }), left).catch(() => null);
      const read = data === null ? null : readMessage(answer, data, counts);
      if (read === null) return false;
      take(read.connections);
      if (read.next === null) return true;
      if (read.next <= from) return false;
      from = read.next;
    }
    return false;
  }

  private reply(data: Uint8Array, reply: string | undefined): void {
    // Who waits for no answer says something else.
    if (reply === undefined) return;
    const asked = readFamily(QUESTIONS, data, this.parts.counts);
    if (asked === null) return;
    const { connections, next } = excerpt(this.parts.witness[asked.type](asked.id), asked.from);
    this.parts.bus.publish(reply, writeMessage({ type: asked.type, connections, next }));
  }
}

/** Returns as many connections as fit into one answer. A single one always does. */
function excerpt(
  all: readonly SeenConnection[],
  from: number,
): { connections: readonly SeenConnection[]; next: number | null } {
  let end = from;
  for (let length = 0; end < all.length; end++) {
    length += JSON.stringify(all[end]).length;
    if (length > MAX_ANSWER_LENGTH) break;
  }
  return { connections: all.slice(from, end), next: end < all.length ? end : null };
}
