/** One instance as far as the relay of media goes: publishers without peers, and others' sources that note what comes. */
import type { Link } from '../../src/main/cluster/link.ts';
import type { AnnouncedSource, RelayedConversation, RemoteSource } from '../../src/main/cluster/relay/interfaces.ts';
import { Relay } from '../../src/main/cluster/relay/relay.ts';
import { Subjects } from '../../src/main/cluster/subjects.ts';
import { Throttle, ThrottleLimits } from '../../src/main/limits/throttle.ts';
import type { Publisher } from '../../src/main/media/ingress.ts';
import { RelayedLoss } from '../../src/main/rtcp/relayed-loss.ts';
import { timers } from '../../src/main/timers.ts';
import { milliseconds, toStamp } from '../../src/workers/clock.ts';
import { SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';
import { openLink } from './nats-link.ts';
import { rtp } from './packets.ts';

const LEVEL_ID = 1;
const PUBLICATION = { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [] };
const MAX_SOURCES = 1024;

/** A packet of another instance: how old it was when it came, in milliseconds, and its number. */
export interface Arrived {
  readonly at: number;
  readonly age: number;
  readonly sequence: number;
}

export interface SideOptions {
  readonly incarnation: string;
  readonly maxDelay?: number;
}

export class RelaySide {
  readonly incarnation: string;
  readonly link: Link;
  readonly relay: Relay;
  /** What came, by incarnation and source. */
  readonly arrived = new Map<string, Arrived[]>();
  readonly noted: [id: number, fraction: number][] = [];
  readonly losses = new Map<string, number>();
  private readonly table = new Int32Array(MAX_SOURCES * SOURCE_WORDS);
  private readonly sources = new Map<string, RemoteSource>();
  private readonly sequences = new Map<number, number>();

  static async open(url: string, options: SideOptions): Promise<RelaySide> {
    return new RelaySide(await openLink(url), options);
  }

  private constructor(link: Link, { incarnation, maxDelay = 1000 }: SideOptions) {
    this.incarnation = incarnation;
    this.link = link;
    this.relay = new Relay({
      bus: link,
      subjects: new Subjects('sfu'),
      ...{ incarnation, maxDelay, sources: this.table, timers, rttMs: () => null, isAlive: () => true },
      rtcp: {
        relay: () => undefined,
        lossOf: (source) => this.losses.get(this.nameOf(source as RemoteSource)) ?? 0,
        noteElsewhere: (id, _instance, fraction) => void this.noted.push([id, fraction]),
      },
    });
  }

  /** A conversation whose sources are known as soon as they are announced, and not before. */
  conversation(key: number, wants: number): RelayedConversation & { listening: boolean; missed: number } {
    return {
      ...{ key, mediaSubject: `sfu.media.${key}`, listening: true, wants, isPinned: () => false, missed: 0 },
      find: (incarnation, source) => this.sources.get(`${incarnation} ${source}`),
      announced: (incarnation, source) => this.list(incarnation, source),
      missing() {
        this.missed++;
      },
    };
  }

  /** A client here, ranked in the order of its number. */
  publisher(id: number, key: number): Publisher {
    this.table[id * SOURCE_WORDS + SourceWord.Rank] = id + 1;
    return {
      ...{ id, claim: { userid: `user ${id}`, clientid: 'phone' }, isClient: true, muted: false },
      ...{ publication: PUBLICATION, packetsReceived: 0, throttle: new Throttle(new ThrottleLimits(1, 1)) },
      seat: { number: id + 1, shard: null, current: { conversation: { key } } },
    };
  }

  /** A client's next packet comes in. */
  say(publisher: Publisher): void {
    const sequence = this.sequences.get(publisher.id) ?? 0;
    this.sequences.set(publisher.id, sequence + 1);
    const now = milliseconds();
    const payload = Buffer.alloc(100, 0x78);
    payload.writeDoubleBE(now, 50);
    payload.writeUInt32BE(sequence, 60);
    const packet = rtp({ sequence, payload, level: { id: LEVEL_ID, level: 20 } });
    this.relay.tap.packet(publisher, packet, toStamp(now));
  }

  /** How many packets of a client were sent. */
  said({ id }: Publisher): number {
    return this.sequences.get(id) ?? 0;
  }

  async close(): Promise<void> {
    this.relay.end();
    await this.link.close();
  }

  private list(incarnation: string, { source }: AnnouncedSource): void {
    const name = `${incarnation} ${source}`;
    if (this.sources.has(name)) return;
    const all: Arrived[] = [];
    this.arrived.set(name, all);
    const hear = (bytes: Uint8Array): void => {
      const packet = Buffer.from(bytes);
      const [payload, now] = [packet.length - 100, milliseconds()];
      const age = now - packet.readDoubleBE(payload + 50);
      all.push({ at: now, age, sequence: packet.readUInt32BE(payload + 60) });
    };
    this.sources.set(name, { id: this.sources.size, rtcp: new RelayedLoss(), seat: { current: {} }, hear });
  }

  private nameOf(source: RemoteSource): string {
    return [...this.sources].find(([, one]) => one === source)![0];
  }
}
