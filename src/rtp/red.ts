/**
 * Redundant audio: RFC 2198. A packet's payload is several blocks, each with a header in front of all of them: the
 * redundant ones, which repeat what earlier packets carried, and at the end the primary one, which is the packet's own.
 *
 * ```
 *  redundant block                                                    primary block
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1    0 1 2 3 4 5 6 7
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  +-+-+-+-+-+-+-+-+
 * |1|  block PT   |     timestamp offset      |   block length    |  |0|  block PT   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  +-+-+-+-+-+-+-+-+
 * ```
 * The offset says how much older than the packet a block is; the primary block is what the lengths leave over. A payload
 * without any redundant block is allowed, and usual after a pause.
 */

/** Most redundant blocks in a payload. Chromium sends one, and nine if it is told to. */
export const MAX_RED_BLOCKS = 9;

const BLOCK_HEADER_BYTES = 4;
const PRIMARY_HEADER_BYTES = 1;
const MORE_FOLLOW = 0x80;

/** What {@link readRed} found wrong, or `Ok`. */
export const Red = {
  Ok: 0,
  /** The headers do not end within the payload, or the blocks are longer than it. */
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
  /** Redundant blocks, in the order they stand: the oldest first, by custom. */
  count = 0;
  /** By redundant block: how much older than the packet it is, ticks, 0 … 16383. */
  readonly timestampOffsets = new Int32Array(MAX_RED_BLOCKS);
  /** By redundant block: where it begins in the buffer that was read, and its length, 0 … 1023 bytes. */
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
 * @param offset where it begins.
 * @param length its bytes; within the buffer.
 * @param payloadType the one that all blocks must have.
 * @param red takes the result; its content means nothing unless the result is `Red.Ok`.
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

/** Bad payloads, more than good ones by so many, after which a sender's RED counts as unreadable: a second's. */
const RUN = 50;
/** What a good payload weighs against bad ones: random bytes look like a payload once in 256 times. */
const GOOD = 5;

/**
 * Whether a sender's RED can be read at all. Where it cannot (encrypted end to end, mostly), what looks like a payload by
 * chance would be noise: none counts until several in a row do.
 */
export class RedHealth {
  private bad = 0;
  unreadable = false;

  /** Takes note of a payload. @param good whether {@link readRed} took it. @returns whether it is to be used. */
  take(good: boolean): boolean {
    if (good) this.bad = Math.max(0, this.bad - GOOD);
    else if (this.bad < RUN) this.bad++;
    if (this.bad === 0) this.unreadable = false;
    else if (this.bad === RUN) this.unreadable = true;
    return good && !this.unreadable;
  }
}

/**
 * How many packets before the present one a redundant block's packet was sent, which RFC 2198 does not say: only the
 * block's age is there. It is told by the packets that are missing, where these were sent in even steps or there is only
 * one of them. The gaps of discontinuous transmission are not even; what they leave unclear is not guessed.
 *
 * @param blockAge how much older than the packet the block is, ticks.
 * @param steps from the last packet before the hole to the present one, in sequence numbers; 2 if one is missing.
 * @param span the same in ticks.
 * @returns 1 … `steps` - 1, or 0 if the block fits none of the missing packets.
 */
export function stepsBack(blockAge: number, steps: number, span: number): number {
  if (blockAge <= 0 || blockAge >= span) return 0;
  if (steps === 2) return 1;
  const scaled = blockAge * steps;
  return scaled % span === 0 ? scaled / span : 0;
}
