/** RED payloads (RFC 2198) for tests, written in the simplest way, and recorded packets of Chromium. */
import { readFileSync } from 'node:fs';

export interface Block {
  /** Timestamp offset: how much older the block is than the packet, ticks. */
  readonly age: number;
  readonly payload: Buffer;
  readonly payloadType?: number;
}

/** Returns a payload with these redundant blocks, in this order, and the primary one. */
export function redPayload(primary: Buffer, redundant: readonly Block[] = [], payloadType = 111): Buffer {
  const headers = redundant.map(({ age, payload, payloadType: own = payloadType }) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(((0x80 | own) * 2 ** 24 + age * 2 ** 10 + payload.length) >>> 0);
    return header;
  });
  return Buffer.concat([...headers, Buffer.from([payloadType]), ...redundant.map(({ payload }) => payload), primary]);
}

const RECORDED = new URL('../../../test/data/red/chromium-156.hex', import.meta.url);

/** Returns recorded RTP packets with RED, which `test/data/README.md` describes. */
export function recordedPackets(): Buffer[] {
  const lines = readFileSync(RECORDED, 'utf8').trim().split(/\r?\n/);
  return lines.map((line) => Buffer.from(line, 'hex'));
}
