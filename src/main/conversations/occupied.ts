/** The conversations that have members. A conversation begins with its first member and ends with its last one. */

/** A conversation that has at least one member. */
export interface Conversation {
  readonly id: string;
  /** Its number for the workers, which no other conversation of this process ever has. */
  readonly key: number;
}

/** One conversation in a list. */
export interface ConversationSummary extends Conversation {
  /** Users in it, connected or not. */
  readonly users: number;
}

export interface OccupiedLimits {
  readonly conversations: number;
  /** Users in one conversation. */
  readonly participants: number;
}

interface Occupied extends ConversationSummary {
  users: number;
}

export class OccupiedConversations {
  private readonly conversations = new Map<string, Occupied>();
  private readonly limits: OccupiedLimits;
  private lastKey = 0;

  constructor(limits: OccupiedLimits) {
    this.limits = limits;
  }

  get count(): number {
    return this.conversations.size;
  }

  get(id: string): ConversationSummary | undefined {
    return this.conversations.get(id);
  }

  /** Lists conversations in the order in which they began. @param after key of the last one known, 0 for none. */
  list(after: number, limit: number): ConversationSummary[] {
    const page: ConversationSummary[] = [];
    for (const conversation of this.conversations.values()) {
      if (conversation.key > after) page.push(conversation);
      if (page.length === limit) break;
    }
    return page;
  }

  /** Returns the limit that keeps a member of `current` from joining a conversation; null for none. */
  whatIsFull(current: ConversationSummary | null, id: string): keyof OccupiedLimits | null {
    if (current?.id === id) return null;
    const { conversations, participants } = this.limits;
    const conversation = this.conversations.get(id);
    if (conversation !== undefined) return conversation.users < participants ? null : 'participants';
    // Somebody who is alone makes room by leaving: their conversation ends.
    const left = current?.users === 1 ? 1 : 0;
    return this.conversations.size - left < conversations ? null : 'conversations';
  }

  /** Whether a conversation has more members than it may have now. */
  overfull({ users }: ConversationSummary): boolean {
    return users > this.limits.participants;
  }

  /** Adds a member, whatever the limits. */
  enter(id: string): ConversationSummary {
    const conversation = this.conversations.get(id) ?? { id, key: ++this.lastKey, users: 0 };
    this.conversations.set(id, conversation);
    conversation.users++;
    return conversation;
  }

  /** Takes a member out. */
  exit(id: string): void {
    const conversation = this.conversations.get(id);
    if (conversation !== undefined && --conversation.users === 0) this.conversations.delete(id);
  }
}
