/**
 * WebRTC clients in a process of their own, controlled over IPC: real libdatachannel peers that speak the service's
 * protocol, send numbered packets that carry their names, and record every packet that they receive.
 */
import { randomInt } from 'node:crypto';
import type { ClientCommand, ClientOptions, ClientReply, ReceivedPacket, ReceivedRtcp } from './client.ts';
import { SILENCE } from './client.ts';
import { WebrtcClient } from './webrtc.ts';

const FRAME_TICKS = 960;
/** Levels vary by less than this, dB. */
const LEVEL_STEPS = 3;
/** One packet in so many is as soft as a room's noise, from which the server tells that the others are no noise. */
const NOISE_EVERY = 100;
const NOISE = 100;

class Client {
  readonly received: ReceivedPacket[] = [];
  readonly rtcp: ReceivedRtcp[] = [];
  readonly told: string[] = [];
  sent = 0;
  /** Loudness of the packets, -dBov. */
  level = 20;
  /** Its payloads, in turn; without any, packets carry their number and the client's name. */
  sound: readonly Buffer[] = [];
  readonly webrtc: WebrtcClient;
  private readonly options: ClientOptions;
  private readonly ssrc = randomInt(1, 2 ** 31);
  private sequence = randomInt(2 ** 16);
  private timestamp = randomInt(2 ** 32);
  private lossEvery = 0;
  private talking: NodeJS.Timeout | undefined;

  constructor(options: ClientOptions) {
    this.options = options;
    const ssrc = options.declaresSsrc ? this.ssrc : null;
    this.webrtc = new WebrtcClient(
      { ...options, ssrc },
      options.keeps ? (mid, packet) => this.take(mid, packet) : undefined,
      (text) => this.told.push(text),
    );
  }

  /** Sends packets from now on: 8 bytes with the packet's number, then the name. */
  talk(lossEvery: number, perSecond: number): void {
    this.lossEvery = lossEvery;
    if (this.talking !== undefined) return;
    const begun = performance.now();
    let due = 0;
    this.talking = setInterval(() => {
      while (performance.now() - begun >= (due * 1000) / perSecond) {
        due++;
        this.send();
      }
    }, 5);
  }

  hush(): void {
    clearInterval(this.talking);
    this.talking = undefined;
  }

  end(): void {
    this.hush();
    this.webrtc.end();
  }

  private send(): void {
    const { levelId } = this.options;
    const extension = levelId === undefined ? Buffer.alloc(0) : this.levelExtension(levelId);
    const offset = 12 + extension.length;
    const payload = this.payload();
    const packet = Buffer.alloc(offset + payload.length);
    packet[0] = levelId === undefined ? 0x80 : 0x90;
    extension.copy(packet, 12);
    packet[1] = this.options.payloadType;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(this.timestamp, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    payload.copy(packet, offset);
    const lost = this.lossEvery > 0 && this.sequence % this.lossEvery === 0;
    if (!lost && !this.webrtc.send(packet)) return;
    this.sequence = (this.sequence + 1) & 0xffff;
    this.timestamp = (this.timestamp + FRAME_TICKS) % 2 ** 32;
    this.sent++;
  }

  private payload(): Buffer {
    const { sound, sent } = this;
    if (sound.length > 0) return sound[sent % sound.length]!;
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(sent));
    return Buffer.concat([number, Buffer.from(this.options.name)]);
  }

  /** Returns the header extension with one element, the level (RFC 8285, section 4.2). */
  private levelExtension(id: number): Buffer {
    const noise = this.sent % NOISE_EVERY === NOISE_EVERY - 1;
    const level = noise ? NOISE : Math.min(127, this.level + (this.sent % LEVEL_STEPS));
    return Buffer.from([0xbe, 0xde, 0, 1, id << 4, 0x80 | level, 0, 0]);
  }

  private take(mid: string, packet: Buffer): void {
    const second = packet[1]!;
    if (second >= 192 && second <= 223) {
      this.rtcp.push({ at: performance.timeOrigin + performance.now(), bytes: packet.toString('base64') });
      return;
    }
    const csrcs = packet[0]! & 0x0f;
    const extended = 12 + csrcs * 4;
    const headerBytes = (packet[0]! & 0x10) === 0 ? extended : extended + 4 + packet.readUInt16BE(extended + 2) * 4;
    const silence = packet.length - headerBytes < 8;
    this.received.push({
      mid,
      at: performance.timeOrigin + performance.now(),
      payloadType: second & 0x7f,
      marker: second >> 7,
      sequence: packet.readUInt16BE(2),
      timestamp: packet.readUInt32BE(4),
      ssrc: packet.readUInt32BE(8),
      csrc: csrcs === 1 ? packet.readUInt32BE(12) : null,
      count: silence ? -1 : Number(packet.readBigUInt64BE(headerBytes)),
      from: silence ? SILENCE : packet.toString('utf8', headerBytes + 8),
    });
  }
}

const clients = new Map<number, Client>();

async function execute(command: ClientCommand): Promise<ClientReply['result']> {
  if (command.type === 'open') {
    const client = new Client(command.options);
    clients.set(command.client, client);
    await client.webrtc.connect();
    return client.webrtc.close;
  }
  const client = clients.get(command.client);
  if (client === undefined) throw new Error(`no client ${command.client}`);
  switch (command.type) {
    case 'talk':
      return client.talk(command.lossEvery, command.perSecond);
    case 'level':
      client.level = command.level;
      return;
    case 'sound':
      client.sound = command.payloads.map((text) => Buffer.from(text, 'base64'));
      return;
    case 'raw':
      return client.webrtc.send(Buffer.from(command.bytes, 'base64'));
    case 'rtcp':
      return client.rtcp.splice(0);
    case 'hush':
      return client.hush();
    case 'say':
      return client.webrtc.say(command.texts);
    case 'sayBinary':
      return client.webrtc.sayBinary(Buffer.alloc(command.bytes));
    case 'channel':
      return client.webrtc.openChannel(command.label, command.text);
    case 'state':
      return { state: client.webrtc.state, sent: client.sent, channelOpen: client.webrtc.channelOpen };
    case 'told':
      return client.told.splice(0);
    case 'take':
      return client.received.splice(0);
    case 'end':
      return client.end();
    default:
      return command satisfies never;
  }
}

process.on('message', (command: ClientCommand) => {
  execute(command).then(
    (result) => process.send!({ id: command.id, result } satisfies ClientReply),
    (error: unknown) => process.send!({ id: command.id, error: String(error) } satisfies ClientReply),
  );
});
process.on('disconnect', () => process.exit(0));
