/** A TURN client over UDP, small enough to ask for what no browser would (RFC 8656). */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const COOKIE = 0x2112a442;
/** A request is repeated after this time, and given up after so many of them. */
const REPEAT_MS = 500;
const REPEATS = 10;

const Method = { allocate: 0x003, refresh: 0x004, send: 0x006, permit: 0x008 } as const;
const Attribute = {
  username: 0x0006,
  integrity: 0x0008,
  error: 0x0009,
  lifetime: 0x000d,
  peer: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  relayed: 0x0016,
  transport: 0x0019,
} as const;
/** What a relay is to send, by its number in IP headers. */
export const Protocol = { udp: 17, tcp: 6 } as const;

type Attributes = readonly (readonly [type: number, value: Uint8Array])[];
type Answer = ReadonlyMap<number, Buffer>;

export interface Credentials {
  readonly username: string;
  readonly credential: string;
}

export interface Address {
  readonly address: string;
  readonly port: number;
}

/** Returns credentials of coturn's REST scheme. @param expiry seconds since 1970. */
export function turnCredentials(secret: string, expiry: number, userid = 'ann'): Credentials {
  const username = `${expiry}:${userid}`;
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}

export class TurnClient {
  private readonly socket: Socket;
  private readonly server: Address;
  private readonly who: Credentials;
  private realm = '';
  private nonce: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, server: Address, who: Credentials) {
    this.socket = socket;
    this.server = server;
    this.who = who;
  }

  /** Opens a socket; nothing is sent yet. */
  static async open(server: Address, who: Credentials): Promise<TurnClient> {
    const socket = createSocket('udp4').bind(0);
    await once(socket, 'listening');
    return new TurnClient(socket, server, who);
  }

  /** Asks for an allocation. @returns 0, or the code that it is refused with. */
  async allocate(protocol: number = Protocol.udp): Promise<number> {
    const wanted: Attributes = [[Attribute.transport, Buffer.from([protocol, 0, 0, 0])]];
    const first = await this.ask(Method.allocate, wanted);
    this.realm = String(first.get(Attribute.realm));
    this.nonce = first.get(Attribute.nonce) ?? this.nonce;
    return this.askAs(Method.allocate, wanted);
  }

  /** Asks to keep the allocation. @returns 0, or the code that it is refused with. */
  refresh(seconds: number): Promise<number> {
    return this.askAs(Method.refresh, [[Attribute.lifetime, uint32(seconds)]]);
  }

  /** Asks to reach an address. @returns 0, or the code that it is refused with. */
  permit(address: string): Promise<number> {
    return this.askAs(Method.permit, [[Attribute.peer, xored({ address, port: 0 })]]);
  }

  /** Sends something to a peer through the relay. Nothing says whether it is passed on. */
  send(peer: Address, data: Uint8Array): void {
    const attributes: Attributes = [
      [Attribute.peer, xored(peer)],
      [Attribute.data, data],
    ];
    this.write(message(typeOf(Method.send) | 0x0010, randomBytes(12), attributes));
  }

  close(): void {
    this.socket.close();
  }

  /** Asks with credentials, and once more where the nonce is stale. */
  private async askAs(method: number, attributes: Attributes, again = true): Promise<number> {
    const signed: Attributes = [
      ...attributes,
      [Attribute.username, Buffer.from(this.who.username)],
      [Attribute.realm, Buffer.from(this.realm)],
      [Attribute.nonce, this.nonce],
    ];
    const key = createHash('md5').update(`${this.who.username}:${this.realm}:${this.who.credential}`).digest();
    const answer = await this.ask(method, signed, key);
    const error = answer.get(Attribute.error);
    const code = error === undefined ? 0 : error[2]! * 100 + error[3]!;
    this.nonce = answer.get(Attribute.nonce) ?? this.nonce;
    return code === 438 && again ? this.askAs(method, attributes, false) : code;
  }

  private async ask(method: number, attributes: Attributes, key?: Buffer): Promise<Answer> {
    const transaction = randomBytes(12);
    const request = message(typeOf(method), transaction, attributes, key);
    for (let i = 0; i < REPEATS; i++) {
      this.write(request);
      const answer = await this.answerTo(transaction);
      if (answer !== null) return answer;
    }
    throw new Error(`the TURN server at port ${this.server.port} does not answer`);
  }

  private answerTo(transaction: Buffer): Promise<Answer | null> {
    return new Promise((resolve) => {
      const end = (answer: Answer | null): void => {
        clearTimeout(timer);
        this.socket.off('message', take);
        resolve(answer);
      };
      const take = (bytes: Buffer): void => {
        if (bytes.subarray(8, 20).equals(transaction)) end(attributesOf(bytes));
      };
      const timer = setTimeout(() => end(null), REPEAT_MS);
      this.socket.on('message', take);
    });
  }

  private write(bytes: Buffer): void {
    this.socket.send(bytes, this.server.port, this.server.address);
  }
}

/** The type of a request with this method (RFC 8489, section 5). All methods here have less than 8 bits. */
function typeOf(method: number): number {
  return ((method & 0x70) << 1) | (method & 0x0f);
}

/** @param key with which the message is signed, if it is. */
function message(type: number, transaction: Buffer, attributes: Attributes, key?: Buffer): Buffer {
  const parts = attributes.map(([kind, value]) => attribute(kind, value));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = (bytes: number): Buffer => {
    const header = Buffer.alloc(20);
    header.writeUInt16BE(type, 0);
    header.writeUInt16BE(bytes, 2);
    header.writeUInt32BE(COOKIE, 4);
    transaction.copy(header, 8);
    return Buffer.concat([header, ...parts]);
  };
  if (key === undefined) return whole(length);
  // The length counts the integrity, which signs all that is before it.
  const signed = whole(length + 24);
  const integrity = createHmac('sha1', key).update(signed).digest();
  return Buffer.concat([signed, attribute(Attribute.integrity, integrity)]);
}

function attribute(type: number, value: Uint8Array): Buffer {
  const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  padded.writeUInt16BE(type, 0);
  padded.writeUInt16BE(value.length, 2);
  padded.set(value, 4);
  return padded;
}

function attributesOf(bytes: Buffer): Answer {
  const found = new Map<number, Buffer>();
  for (let at = 20; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 2);
    found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return found;
}

/** XOR-PEER-ADDRESS of an IPv4 address. */
function xored({ address, port }: Address): Buffer {
  const value = Buffer.alloc(8);
  value[1] = 1;
  value.writeUInt16BE(port ^ (COOKIE >>> 16), 2);
  const ip = Buffer.from(address.split('.').map(Number)).readUInt32BE();
  value.writeUInt32BE((ip ^ COOKIE) >>> 0, 4);
  return value;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
