/**
 * Makes events for `WEBHOOK_URL` of what happens to memberships. In a cluster each instance observes all of it, and one
 * sends.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { ConversationSummary } from '../conversations/occupied.ts';
import type { Leaving, MembershipObserver } from '../conversations/registry-types.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Timers } from '../timers.ts';
import { RecentEvents } from './recent.ts';
import type { WebhookEvent, WebhookType } from './schema.ts';
import { HookSender, type SenderConfig } from './sender.ts';

/** How often events that another instance sends are forgotten, milliseconds. */
const FORGET_MS = 5000;

/** Says which instance of a cluster sends. */
export interface Spokesman {
  /** Name of the cluster. */
  readonly source: string;
  /** Whether this instance sends. */
  readonly speaks: boolean;
  /** Name of the change that is being observed: the same on all instances, and no other change's. */
  readonly change: string;
  /** @param begins called when this instance becomes the one, with how long it is to look back, milliseconds. */
  watch(begins: (backMs: number) => void): void;
}

export class Hooks implements MembershipObserver {
  readonly sender: HookSender;
  private readonly timers: Timers;
  private readonly recent: RecentEvents;
  private readonly stop: Cancel;
  private readonly spokesman: Spokesman | null;
  /** Without a cluster: another one after each start. */
  private readonly source: string;
  private changes = 0;

  /** @param spokesman null for an instance that knows no other. */
  constructor(config: SenderConfig, log: Log, timers: Timers, spokesman: Spokesman | null) {
    this.sender = new HookSender(config, log, timers);
    this.timers = timers;
    this.recent = new RecentEvents(config.WEBHOOK_QUEUE);
    this.stop = spokesman === null ? () => undefined : timers.every(FORGET_MS, () => this.recent.forget(timers.now()));
    this.spokesman = spokesman;
    this.source = spokesman?.source ?? randomBytes(6).toString('hex');
    spokesman?.watch((backMs) => {
      for (const { event, lanes } of this.recent.take(timers.now() - backMs)) this.sender.add(event, lanes);
    });
  }

  moved(userid: string, from: ConversationSummary | null, to: ConversationSummary | null, why: Leaving): void {
    this.changes++;
    if (to !== null && to.users === 1) this.tell('conversation.began', userid, to.id, {});
    if (from === null && to !== null) this.tell('user.joined', userid, to.id, { userid });
    if (from !== null && to !== null) {
      this.tell('user.moved', userid, to.id, { userid, from: from.id }, [from.id, to.id]);
    }
    if (from !== null && to === null) this.tell('user.left', userid, from.id, { userid, why });
    if (from !== null && from.users === 0) this.tell('conversation.ended', userid, from.id, { why: 'empty' });
  }

  silenced(userid: string, conversation: string, silenced: boolean): void {
    this.changes++;
    this.tell('user.silenced', userid, conversation, { userid, silenced });
  }

  /**
   * Tells that a recording of a conversation begins. The instance that has the tap tells of it itself, because no other
   * knows.
   *
   * @returns a function that tells that it has ended, once.
   */
  recording(conversation: string): () => void {
    const recording = randomBytes(9).toString('base64url');
    const told = new Set<string>();
    const tell = (type: 'recording.began' | 'recording.ended'): void => {
      if (told.has(type)) return;
      told.add(type);
      const id = `${recording}.${type === 'recording.began' ? 1 : 2}`;
      const event = { type, id, at: Date.now(), source: this.source, conversation, recording };
      this.sender.add(event, [laneOf(conversation)]);
    };
    tell('recording.began');
    return () => tell('recording.ended');
  }

  /**
   * Sends what is left. Memberships that end with this process are told before.
   *
   * @param conversations the ids of conversations that are going on. @param timeout milliseconds.
   * @returns how many events are lost.
   */
  close(conversations: Iterable<string>, timeout: number): Promise<number> {
    this.stop();
    if (this.spokesman === null) {
      this.changes++;
      for (const id of conversations) this.tell('conversation.ended', id, id, { why: 'shutdown' });
    }
    return this.sender.close(timeout);
  }

  /** @param about whose membership changed. @param rooms the conversations in whose order the event is. */
  private tell(type: WebhookType, about: string, conversation: string, rest: object, rooms = [conversation]): void {
    const { spokesman } = this;
    const name = JSON.stringify([this.source, spokesman?.change ?? this.changes, type, about]);
    const id = createHash('sha256').update(name).digest('base64url').slice(0, 22);
    const lanes = rooms.map(laneOf);
    // What one user does stays in order, too, wherever it is.
    if ('userid' in rest) lanes.push(`user ${about}`);
    const event = { type, id, at: Date.now(), source: this.source, conversation, ...rest } as WebhookEvent;
    if (spokesman === null || spokesman.speaks) this.sender.add(event, lanes);
    else this.recent.add({ event, lanes, at: this.timers.now() });
  }
}

function laneOf(conversation: string): string {
  return `conversation ${conversation}`;
}
