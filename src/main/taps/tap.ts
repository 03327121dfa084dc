/**
 * One reader of a conversation's packets and events. Packets gather for a moment and travel together, because a message
 * costs the same whatever its length.
 *
 * A reader that is too slow gets nothing until it has caught up. Then it is told how many packets it has lost, and gets
 * a new snapshot, so no backlog builds up here.
 */
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import type { ConversationView } from '../events/conversation-view.ts';
import { EVENTS_VERSION } from '../events/schema.ts';
import { writeNowhere } from '../events/text.ts';
import type { Publisher } from '../media/ingress.ts';
import { writeTapEvent } from './schema.ts';
import { HEAD_BYTES, RECORD_BYTES, writeHead, writeRecord } from './wire.ts';

/** Longest message, bytes. */
export const MESSAGE_BYTES = 16_384;
/** A reader is slow if more bytes than this wait for it, and has caught up once a quarter is left. */
export const MAX_BUFFERED_BYTES = 1_048_576;
/** Most packets in a message: its head has 16 bits for them. */
const MAX_PACKETS = 65_535;

/** What a tap needs of a websocket. */
export interface TapSocket {
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number;
  send(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
}

export interface TapOptions {
  /** How many of the foremost speakers it gets; 0 for everybody. */
  readonly foremost: number;
  /** Whether everybody in the conversation is told that it is recorded. */
  readonly recording: boolean;
}

/** What all taps count together. */
export interface TapCounts {
  /** Packets that readers were given, each for each reader. */
  packets: number;
  /** Packets that readers were too slow for. */
  lost: number;
}

export class Tap {
  readonly options: TapOptions;
  private readonly socket: TapSocket;
  /** The source table. */
  private readonly sources: Int32Array;
  private readonly counts: TapCounts;
  private readonly message = new Uint8Array(MESSAGE_BYTES);
  private used = HEAD_BYTES;
  private packets = 0;
  /** Arrival of the message's first packet: its stamp, and microseconds since 1970. */
  private firstStamp = 0;
  private firstArrival = 0;
  private lost = 0;
  /** Packets that the reader was given, and those that it was too slow for. */
  sent = 0;
  lostInAll = 0;
  private slow = false;
  /** Speakers whom the reader knows, by number. */
  private readonly speakers = new Set<number>();
  /** The view that the reader knows, up to `version`; null if a snapshot is due. */
  private told: ConversationView | 'nowhere' | null = null;
  private version = 0;

  constructor(socket: TapSocket, options: TapOptions, sources: Int32Array, counts: TapCounts) {
    this.socket = socket;
    this.options = options;
    this.sources = sources;
    this.counts = counts;
  }

  /**
   * Takes a packet of a publisher who is not muted.
   *
   * @param stamp its arrival, of `toStamp`. @param arrival the same in microseconds since 1970.
   * @returns whether something waits for {@link flush}. Allocates nothing, except for a speaker's first packet.
   */
  packet(publisher: Publisher, bytes: Uint8Array, stamp: number, arrival: number): boolean {
    if (!this.wants(publisher.id)) return this.packets > 0;
    const { number } = publisher.seat;
    if (this.used + RECORD_BYTES + bytes.length > MESSAGE_BYTES || this.packets === MAX_PACKETS) this.flush();
    if (this.slow) {
      this.lose(1);
      return false;
    }
    if (!this.speakers.has(number)) this.tellSpeaker(publisher);
    if (this.packets === 0) {
      this.firstStamp = stamp;
      this.firstArrival = arrival;
    }
    this.used = writeRecord(this.message, this.used, number, (stamp - this.firstStamp) >>> 0, bytes);
    this.packets++;
    return true;
  }

  /** Sends the packets that have gathered. */
  flush(): void {
    const { packets, used } = this;
    if (packets === 0) return;
    this.packets = 0;
    this.used = HEAD_BYTES;
    if (this.lagging()) return this.lose(packets);
    writeHead(this.message, packets, this.firstArrival);
    // The socket keeps what it is given until it is sent.
    this.socket.send(this.message.slice(0, used));
    this.sent += packets;
    this.counts.packets += packets;
  }

  /** Tells what has changed since the last call. @param view null if nobody is in the conversation. */
  tell(view: ConversationView | null): void {
    if (this.lagging()) return;
    if (view === null) this.tellNowhere();
    else if (this.told === view && this.version === view.version - 1) this.sendEvents(view.texts);
    else if (this.told !== view || this.version !== view.version) this.sendEvents(view.snapshot(NOBODY));
    if (view !== null && this.version !== view.version) this.forgetDeparted(view);
    this.told = view ?? 'nowhere';
    this.version = view?.version ?? 0;
  }

  /** Sends what has gathered, and ends it. */
  close(code: number, reason: string): void {
    this.flush();
    this.socket.close(code, reason);
  }

  /** Ends it as it is. */
  abort(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  /** Whether a source is among those that the reader wants. One without a place has just begun. */
  private wants(id: number): boolean {
    const { foremost } = this.options;
    if (foremost === 0) return true;
    return this.sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Rank]! <= foremost;
  }

  private tellSpeaker({ seat: { number }, claim: { userid, clientid }, publication }: Publisher): void {
    this.speakers.add(number);
    const { payloadType, redPayloadType, levelExtension } = publication!;
    const media = { payloadType, redPayloadType, levelExtension };
    this.socket.send(writeTapEvent({ v: EVENTS_VERSION, type: 'speaker', number, userid, clientid, ...media }));
  }

  private forgetDeparted(view: ConversationView): void {
    for (const number of this.speakers) if (!view.has(number)) this.speakers.delete(number);
  }

  private tellNowhere(): void {
    if (this.told === 'nowhere') return;
    this.speakers.clear();
    this.socket.send(writeNowhere(NOBODY));
  }

  private sendEvents(texts: readonly string[]): void {
    if (texts.length === 1) this.socket.send(texts[0]!);
    else if (texts.length > 1) this.socket.send(`[${texts.join(',')}]`);
  }

  /** Whether the reader is slow. If it has caught up, it is told what it has lost. */
  private lagging(): boolean {
    const { bufferedAmount } = this.socket;
    if (!this.slow) {
      this.slow = bufferedAmount > MAX_BUFFERED_BYTES;
      return this.slow;
    }
    if (bufferedAmount > MAX_BUFFERED_BYTES / 4) return true;
    this.slow = false;
    this.told = null;
    this.speakers.clear();
    if (this.lost > 0) {
      const { lost: packets, lostInAll: total } = this;
      this.socket.send(writeTapEvent({ v: EVENTS_VERSION, type: 'lost', packets, total }));
    }
    this.lost = 0;
    return false;
  }

  private lose(packets: number): void {
    this.lost += packets;
    this.lostInAll += packets;
    this.counts.lost += packets;
  }
}

/** What a snapshot says about its recipient, who takes no part. */
const NOBODY = {
  number: 0,
  muted: false,
  mutedByOperator: false,
  maySpeak: false,
  deafened: false,
  pinned: [],
  excluded: [],
};
