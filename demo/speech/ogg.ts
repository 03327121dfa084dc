/**
 * Reads Opus packets from an Ogg file (RFC 3533, RFC 7845). It supports what the bots need: one logical stream, mono or
 * stereo, and frames of 20 ms. Pure.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |      'O'      |      'g'      |      'g'      |      'S'      | 0
 * |    version    |     type      |      granule position …       | 4
 * |      …        |     serial number, sequence number, checksum  | 14
 * |  …            | segments: n   |  n lengths, then the segments | 26
 * ```
 */

const CAPTURE = 0x4f676753;
/** Offset of the number of segments in a page header. */
const SEGMENTS = 26;
const PAGE_HEADER_BYTES = 27;
/** After a segment of this length, its packet continues in the next segment. */
const FULL_SEGMENT = 255;
const HEAD = 'OpusHead';
const TAGS = 'OpusTags';
/** Offset of the pre-skip in OpusHead. */
const PRE_SKIP = 10;
const HEAD_BYTES = 19;

/** Content of an Ogg/Opus file. */
export interface OggOpus {
  /** Samples at 48 kHz that a decoder discards at the beginning. */
  readonly preSkip: number;
  /** Opus packets in order. */
  readonly packets: readonly Uint8Array[];
}

/** Reads a file. @throws Error that says what is wrong with it. */
export function readOggOpus(file: Uint8Array): OggOpus {
  const [head, tags, ...packets] = readPackets(file);
  if (head === undefined || head.length < HEAD_BYTES || !begins(head, HEAD)) throw new Error('no OpusHead: not Opus');
  if (tags === undefined || !begins(tags, TAGS)) throw new Error('no OpusTags: the file is cut off');
  if (packets.length === 0) throw new Error('no sound: the file is cut off');
  for (const packet of packets) {
    if (!isOneFrameOf20Ms(packet)) throw new Error('a packet is not one frame of 20 ms: encode with --framesize 20');
  }
  return { preSkip: head[PRE_SKIP]! | (head[PRE_SKIP + 1]! << 8), packets };
}

/** Assembles the packets from the segments of all pages. @throws Error if the file is not whole Ogg pages. */
function readPackets(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (let page = 0; page < file.length; ) {
    if (page + PAGE_HEADER_BYTES > file.length) throw new Error(`the page at ${page} is cut off`);
    if (view.getUint32(page) !== CAPTURE || view.getUint8(page + 4) !== 0) throw new Error(`no Ogg page at ${page}`);
    const lengths = file.subarray(page + PAGE_HEADER_BYTES, page + PAGE_HEADER_BYTES + file[page + SEGMENTS]!);
    let at = page + PAGE_HEADER_BYTES + file[page + SEGMENTS]!;
    for (const length of lengths) {
      if (at + length > file.length) throw new Error(`the page at ${page} is cut off`);
      parts.push(file.subarray(at, at + length));
      at += length;
      if (length === FULL_SEGMENT) continue;
      packets.push(Buffer.concat(parts));
      parts = [];
    }
    page = at;
  }
  if (parts.length > 0) throw new Error('the last packet is cut off');
  return packets;
}

function begins(packet: Uint8Array, text: string): boolean {
  return Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('latin1').startsWith(text);
}

/**
 * Returns whether an Opus packet holds exactly one frame of 20 ms. Its table of contents (RFC 6716, section 3.1) has
 * five bits of configuration, one for stereo and two for the number of frames.
 */
function isOneFrameOf20Ms(packet: Uint8Array): boolean {
  const toc = packet[0];
  if (toc === undefined || (toc & 3) !== 0) return false;
  const configuration = toc >> 3;
  // SILK has frames of 10, 20, 40 and 60 ms, hybrid of 10 and 20, and CELT of 2.5, 5, 10 and 20.
  if (configuration < 12) return configuration % 4 === 1;
  return configuration < 16 ? configuration % 2 === 1 : configuration % 4 === 3;
}
