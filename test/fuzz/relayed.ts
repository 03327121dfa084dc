/**
 * Media from other instances: the binary messages of the relay, and the announcements between them. Whatever the bytes,
 * each packet counts once, and what is heard is what a second reader finds in the message.
 */
import { writeAnnouncement } from '../../src/main/cluster/relay/announcement.ts';
import { RelayCounts } from '../../src/main/cluster/relay/counts.ts';
import { Incoming } from '../../src/main/cluster/relay/incoming.ts';
import type { RemoteSource } from '../../src/main/cluster/relay/interfaces.ts';
import { Kind, messageHead, writeRecord } from '../../src/main/cluster/relay/wire.ts';
import { RelayedLoss } from '../../src/main/rtcp/relayed-loss.ts';
import { below, type Random } from '../support/prng.ts';
import { RecordingBus } from '../support/recording-bus.ts';
import { hostileJson } from './json.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';
import { mutateBytes } from './wire.ts';

const MESSAGES_A_CASE = 2000;
const SUBJECT = 'kitchen';
const SELF = '0123456789ab';
const OTHERS = ['000000000000', '0123456789ac', 'ffffffffffff'];
/** Sources of each instance that are listed. */
const LISTED = 6;
const MAX_DELAY_MS = 500;
/** Bounds of the format, as `wire.ts` documents it. */
const HEAD = 8;
const RECORD = 11;
const LONGEST = 64 * 1024;
const LONGEST_PACKET = 1500;
const ROOM = 70_000;
const PUBLICATION = { payloadType: 111, levelExtension: 1, redPayloadType: 63, ssrcs: [] };
const JUNK = Buffer.alloc(LONGEST_PACKET, 0x5a);

/** What a message holds by a second reading: offsets and lengths of its packets, and whether something is wrong. */
interface Reading {
  readonly packets: readonly (readonly [offset: number, length: number])[];
  readonly malformed: boolean;
}

function readAgain(bytes: Buffer): Reading {
  const packets: [number, number][] = [];
  for (let at = HEAD; at < bytes.length; ) {
    if (bytes.length - at < RECORD) return { packets, malformed: true };
    const length = bytes.readUInt16BE(at + 9);
    const rest = bytes.length - at - RECORD;
    if (length < 1 || length > LONGEST_PACKET || length > rest) return { packets, malformed: true };
    packets.push([at + RECORD, length]);
    at += RECORD + length;
  }
  return { packets, malformed: false };
}

class Listener {
  readonly counts = new RelayCounts();
  private readonly bus = new RecordingBus();
  private readonly incoming: Incoming;
  private readonly sources = new Map<string, RemoteSource>();
  private readonly random: Random;
  private readonly room = Buffer.alloc(ROOM);
  private clock: number;
  private heard = 0;
  private announced = 0;
  private expected: { bytes: Buffer; packets: readonly (readonly [number, number])[]; next: number } | null = null;

  constructor(random: Random) {
    this.random = random;
    this.clock = random() | 0;
    this.incoming = new Incoming({
      ...{ bus: this.bus, counts: this.counts, maxDelay: MAX_DELAY_MS, incarnation: SELF, clock: () => this.clock },
      isAlive,
      heard: () => undefined,
    });
    for (const incarnation of OTHERS) for (let source = 0; source < LISTED; source++) this.list(incarnation, source);
    void this.incoming.open({
      ...{ key: 1, mediaSubject: SUBJECT, listening: true, wants: 3, isPinned: () => false },
      find: (incarnation, source) => this.sources.get(`${incarnation} ${source}`),
      announced: (_, { source, userid, clientid, publication }) => {
        this.announced++;
        const { payloadType, levelExtension, redPayloadType } = publication;
        const good = userid.length > 0 && clientid.length > 0 && Number.isInteger(source) && source >= 0;
        insist(good && payloadType < 128 && redPayloadType < 128 && levelExtension < 15, () => 'a bad announcement');
      },
      missing: () => undefined,
    });
  }

  run(outcomes: Counters): number {
    for (let i = 0; i < MESSAGES_A_CASE; i++) {
      if (oneIn(this.random, 20)) this.clock = (this.clock + below(this.random, 100_000)) | 0;
      if (oneIn(this.random, 500)) this.incoming.tick(() => pick(this.random, [null, 0, 5, 1e6]));
      this.take(this.message());
    }
    const { drops, in: into, read, messagesIn } = this.counts;
    insist(messagesIn === MESSAGES_A_CASE, () => `${messagesIn} messages counted`);
    outcomes.add('heard', into.packets);
    outcomes.add('unknown source', drops.unknownSource);
    outcomes.add('too old', drops.tooOld);
    outcomes.add('malformed', drops.malformed);
    outcomes.add('announced', this.announced);
    outcomes.add('bad announcement', read.malformed + read.otherVersion + read.tooLarge);
    this.incoming.closeAll();
    insist((this.bus.takes.get(SUBJECT)?.size ?? 0) === 0, () => 'a subscription is left behind');
    return MESSAGES_A_CASE;
  }

  private list(incarnation: string, source: number): void {
    const hear = (bytes: Uint8Array): void => this.hear(bytes);
    const remote = { id: source, rtcp: new RelayedLoss(), seat: { current: {} }, hear };
    this.sources.set(`${incarnation} ${source}`, remote);
  }

  private hear(packet: Uint8Array): void {
    this.heard++;
    const { expected } = this;
    insist(expected !== null, () => 'heard something in a message that has nothing');
    for (let at = expected.packets[expected.next++]; at !== undefined; at = expected.packets[expected.next++]) {
      if (expected.bytes.subarray(at[0], at[0] + at[1]).equals(packet)) return;
    }
    throw new Error(`heard ${Buffer.from(packet).toString('hex')}, which is not in the message`);
  }

  private take(bytes: Buffer): void {
    const { counts } = this;
    const before = { ...counts.drops, heard: counts.in.packets };
    const packets = bytes.length >= HEAD && bytes.length <= LONGEST && bytes[0] === 1 && bytes[1] === Kind.Packets;
    const from = bytes.subarray(2, HEAD).toString('hex');
    const reading = packets && from !== SELF && isAlive(from) ? readAgain(bytes) : null;
    this.expected = reading === null ? null : { bytes, packets: reading.packets, next: 0 };
    this.bus.deliver(SUBJECT, bytes);
    const { unknownSource, tooOld, malformed } = counts.drops;
    const heard = counts.in.packets - before.heard;
    const judged = heard + unknownSource - before.unknownSource + tooOld - before.tooOld;
    insist(this.heard === counts.in.packets, () => `${this.heard} packets heard, ${counts.in.packets} counted`);
    if (reading === null) return insist(heard === 0, () => 'packets of a message that has none');
    const said = `${judged} of ${reading.packets.length} packets counted in ${bytes.toString('hex')}`;
    insist(judged === reading.packets.length, () => said);
    insist(malformed - before.malformed === Number(reading.malformed), () => `${said}, malformed ${reading.malformed}`);
  }

  /** Returns a message, right or wrong. */
  private message(): Buffer {
    const { random, room } = this;
    const incarnation = oneIn(random, 30) ? strangerOf(random) : pick(random, oneIn(random, 40) ? [SELF] : OTHERS);
    if (oneIn(random, 30)) return this.announcement(incarnation);
    room.set(messageHead(Kind.Packets, incarnation));
    let end = HEAD;
    const most = oneIn(random, 300) ? 400 : 1 + below(random, 4);
    for (let i = 0; i < most && end < ROOM - LONGEST_PACKET - RECORD; i++) {
      const length = oneIn(random, 16) ? below(random, LONGEST_PACKET + 1) : 1 + below(random, 120);
      const source = oneIn(random, 12) ? random() | 0 : below(random, LISTED);
      const stamp = oneIn(random, 50) ? random() | 0 : (this.clock - below(random, 200_000)) | 0;
      end = writeRecord(room, end, source, stamp, random() & 0xff, JUNK.subarray(0, length));
    }
    if (oneIn(random, 4)) end = mutateBytes(random, room, end, ROOM);
    if (oneIn(random, 25)) end = below(random, end + 1);
    return room.subarray(0, end);
  }

  private announcement(incarnation: string): Buffer {
    const { random } = this;
    const announced = { source: below(random, LISTED), userid: 'ann', clientid: 'phone', publication: PUBLICATION };
    const honest = Buffer.from(writeAnnouncement(incarnation, { ...announced, muted: random() % 2 === 0 }));
    if (oneIn(random, 4)) return honest.subarray(0, below(random, honest.length + 1));
    const json = hostileJson(random, JSON.parse(honest.subarray(HEAD).toString()));
    return Buffer.concat([honest.subarray(0, HEAD), json]);
  }
}

/** Half of the strangers live: nobody lists their sources. */
function isAlive(incarnation: string): boolean {
  return OTHERS.includes(incarnation) || Number.parseInt(incarnation, 16) % 2 === 0;
}

function strangerOf(random: Random): string {
  return (random() * 2 ** 16 + (random() & 0xffff)).toString(16).padStart(12, '0');
}

export const relayed: FuzzTarget = {
  name: 'relayed',
  unit: 'messages',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      run: (random, outcomes) => new Listener(random).run(outcomes),
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
