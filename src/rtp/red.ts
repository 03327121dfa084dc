/**
 * Redundant audio (RFC 2198). A payload begins with the headers of all its blocks, and then the blocks follow.
 * Redundant blocks repeat what earlier packets carried; the primary block, the last one, is the packet's own sound.
 *
 * ```
 *  redundant block                                                    primary block
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1    0 1 2 3 4 5 6 7
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  +-+-+-+-+-+-+-+-+
 * |1|  block PT   |     timestamp offset      |   block length    |  |0|  block PT   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  +-+-+-+-+-+-+-+-+
 * ```
 * The timestamp offset says how much older than the packet a block is. The primary block takes the rest of the payload.
 * A payload without any redundant block is allowed, and usual after a pause.
 */

/** Most redundant blocks in a payload. Chromium sends one, or up to nine if it is told to. */
export const MAX_RED_BLOCKS = 9;

const BLOCK_HEADER_BYTES = 4;
const PRIMARY_HEADER_BYTES = 1;
const MORE_FOLLOW = 0x80;

/** What {@link readRed} found wrong, or `Ok`. */
export const Red = {
  Ok: 0,
  /** The headers do not end within the payload, or the blocks do not fit in it. */
  Truncated: 1,
  TooManyBlocks: 2,
  /** The primary block has no bytes. */
  Empty: 3,
  /** A block has another payload type than the one asked for. */
  OtherCodec: 4,
} as const;
export type RedVerdict = (typeof Red)[keyof typeof Red];

/** Where the blocks of one payload lie. One instance is reused for every packet. */
export class RedPayload {
  /** Redundant blocks, in their order in the payload: by custom the oldest first. */
  count = 0;
  /** How much older than the packet each redundant block is, ticks, 0 … 16383. */
  readonly timestampOffsets = new Int32Array(MAX_RED_BLOCKS);
  /** Where each redundant block begins in the buffer that was read, and its length, 0 … 1023 bytes. */
  readonly offsets = new Int32Array(MAX_RED_BLOCKS);
  readonly lengths = new Int32Array(MAX_RED_BLOCKS);
  primaryOffset = 0;
  /** At least 1. */
  primaryLength = 0;
}

/**
 * Reads the blocks of a payload.
 *
 * @param bytes the buffer that the payload lies in.
 * @param offset where the payload begins.
 * @param length bytes of the payload, all within the buffer.
 * @param payloadType the payload type that all blocks must have.
 * @param red takes the result; its content means nothing unless the function returns `Red.Ok`.
 * @returns `Red.Ok`, or what is wrong. Never throws, whatever the bytes.
 */
export function readRed(
  bytes: Uint8Array,
  offset: number,
  length: number,
  payloadType: number,
  red: RedPayload,
): RedVerdict {
  const end = offset + length;
  let at = offset;
  let count = 0;
  let redundant = 0;
  while (at < end && (bytes[at]! & MORE_FOLLOW) !== 0) {
    if (count === MAX_RED_BLOCKS) return Red.TooManyBlocks;
    if (at + BLOCK_HEADER_BYTES > end) return Red.Truncated;
    if ((bytes[at]! & ~MORE_FOLLOW) !== payloadType) return Red.OtherCodec;
    red.timestampOffsets[count] = (bytes[at + 1]! << 6) | (bytes[at + 2]! >> 2);
    red.lengths[count] = ((bytes[at + 2]! & 3) << 8) | bytes[at + 3]!;
    redundant += red.lengths[count]!;
    count++;
    at += BLOCK_HEADER_BYTES;
  }
  if (at >= end) return Red.Truncated;
  if (bytes[at] !== payloadType) return Red.OtherCodec;
  at += PRIMARY_HEADER_BYTES;
  if (at + redundant > end) return Red.Truncated;
  if (at + redundant === end) return Red.Empty;
  for (let i = 0; i < count; i++) {
    red.offsets[i] = at;
    at += red.lengths[i]!;
  }
  red.count = count;
  red.primaryOffset = at;
  red.primaryLength = end - at;
  return Red.Ok;
}

/** A sender's RED counts as unreadable once bad payloads outweigh good ones by this many: a second of them. */
const RUN = 50;
/** How many bad payloads a good one outweighs: random bytes look like a payload once in 256 times. */
const GOOD = 5;

/**
 * Judges whether a sender's RED can be read at all. If it cannot (mostly because it is encrypted end to end), a payload
 * that looks right by chance would be noise, so none is used until several in a row look right.
 */
export class RedHealth {
  private bad = 0;
  unreadable = false;

  /** Takes note of a payload. @param good whether {@link readRed} accepted it. @returns whether to use it. */
  take(good: boolean): boolean {
    if (good) this.bad = Math.max(0, this.bad - GOOD);
    else if (this.bad < RUN) this.bad++;
    if (this.bad === 0) this.unreadable = false;
    else if (this.bad === RUN) this.unreadable = true;
    return good && !this.unreadable;
  }
}

/**
 * Returns how many packets before the present one a redundant block was first sent. RFC 2198 does not carry that, only
 * the block's age. The missing packets tell it if they were sent in even steps, or if only one is missing. The gaps of
 * discontinuous transmission are not even, and an unclear case is not guessed.
 *
 * @param blockAge how much older than the packet the block is, ticks.
 * @param steps sequence numbers from the last packet before the hole to the present one; 2 if one is missing.
 * @param span ticks between the same two packets.
 * @returns 1 … `steps` - 1, or 0 if the block fits none of the missing packets.
 */
export function stepsBack(blockAge: number, steps: number, span: number): number {
  if (blockAge <= 0 || blockAge >= span) return 0;
  if (steps === 2) return 1;
  const scaled = blockAge * steps;
  return scaled % span === 0 ? scaled / span : 0;
}
