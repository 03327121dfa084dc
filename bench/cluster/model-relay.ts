/** The relay's own choice of the packets that the other instances get, for one conversation and instance of the model. */
import { OutgoingConversation } from '../../src/main/cluster/relay/outgoing-conversation.ts';
import type { OutgoingSource } from '../../src/main/cluster/relay/outgoing-source.ts';
import type { Publisher } from '../../src/main/media/ingress.ts';
import { connectionId, SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';
import { LEVEL_ID } from '../cases/packets.ts';

/** The relay takes so many more than anybody elsewhere wants. */
export const SPARE = 2;
const KEY = 1;

export class ModelRelay {
  private readonly table: Int32Array;
  private readonly conversation: OutgoingConversation;
  private readonly sources: (OutgoingSource | undefined)[] = [];

  /** @param speakers how many it has. @param foremost how many of them the others get. */
  constructor(speakers: number, foremost: number) {
    this.table = new Int32Array(speakers * SOURCE_WORDS);
    const relayed = {
      ...{ key: KEY, mediaSubject: '', listening: true, wants: foremost - SPARE },
      ...{ isPinned: () => false, find: () => undefined, announced: () => undefined, missing: () => undefined },
    };
    this.conversation = new OutgoingConversation(relayed, this.table, () => undefined);
  }

  /** Takes a packet. @param speaker its number. @param stamp microseconds. @returns whether the others get it. */
  goes(speaker: number, bytes: Uint8Array, stamp: number): boolean {
    const source = this.sources[speaker] ?? this.conversation.add(publisher(speaker), stamp);
    this.sources[speaker] = source;
    return source.goes(bytes, stamp >>> 0);
  }

  /** Writes a speaker's place in the order, as the worker does. @param rank from 0; -1 without. */
  rank(speaker: number, rank: number): void {
    this.table[speaker * SOURCE_WORDS + SourceWord.Rank] = rank + 1;
  }

  /** Reads the order, as the main thread does. */
  look(): void {
    this.conversation.look();
  }
}

/** Returns what the relay reads of a client's connection. */
function publisher(speaker: number): Publisher {
  const read: Partial<Publisher> = {
    id: connectionId(speaker, 0),
    publication: { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [] },
    seat: { number: 1, shard: null, current: { conversation: { key: KEY } } },
  };
  return read as Publisher;
}
