/** The conversations that workers serve now. */
import type { Shard } from '../media/shard.ts';
import type { Rebuilt, Served } from '../media/worker-supervisor.ts';
import type { HostedConversation } from './hosted-conversation.ts';

export class HostedConversations implements Served {
  /** By key of the conversation. */
  private readonly conversations = new Map<number, HostedConversation>();

  get count(): number {
    return this.conversations.size;
  }

  /** Participants of other instances in these. */
  get remoteParticipants(): number {
    let remote = 0;
    for (const { participants, own } of this.conversations.values()) remote += participants.size - own.size;
    return remote;
  }

  /** Whether a client of this process can hear another user. */
  get talking(): boolean {
    for (const hosted of this.conversations.values()) if (hosted.talking) return true;
    return false;
  }

  /** Returns a conversation by its key, if a worker serves it. */
  get(key: number): HostedConversation | undefined {
    return this.conversations.get(key);
  }

  add(hosted: HostedConversation): void {
    this.conversations.set(hosted.conversation.key, hosted);
  }

  delete(hosted: HostedConversation): void {
    this.conversations.delete(hosted.conversation.key);
  }

  /** Lists those that workers serve. */
  all(): Iterable<HostedConversation> {
    return this.conversations.values();
  }

  /** Notes who is foremost in a conversation by its worker. @param speaker number in the conversation, 0 for nobody. */
  dominantChanged(key: number, speaker: number): void {
    const hosted = this.conversations.get(key);
    if (hosted !== undefined) hosted.workerDominant = speaker;
  }

  /**
   * Tells a shard's new worker, which knows nothing, of all conversations that the shard serves. Every participant
   * keeps its number, its preferences and its place.
   */
  rebuild(shard: Shard): Rebuilt {
    let conversations = 0;
    let connections = 0;
    for (const hosted of this.conversations.values()) {
      if (hosted.shard !== shard) continue;
      conversations++;
      for (const seat of hosted.seats) if (seat.tellAgain()) connections++;
    }
    return { conversations, connections };
  }
}
