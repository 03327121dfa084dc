/**
 * The client-to-mixer audio level: RFC 6464, in a header extension of RFC 8285.
 *
 * ```
 *  one-byte header, profile 0xBEDE        two-byte header, profile 0x100X
 *  0                   1                  0                   1                   2
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5        0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  ID   | len=0 |V|   level     |      |      ID       |     len=1     |V|    level    |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import type { RtpHeader } from './packet.ts';

/** The packet says nothing of its level. */
export const NO_LEVEL = -1;
/** Digital silence, in -dBov; 0 is the loudest. */
export const SILENCE = 127;

const ONE_BYTE_PROFILE = 0xbede;
const TWO_BYTE_PROFILE = 0x1000;
/** RFC 8285, section 4.2: an id that ends the reading. */
const ONE_BYTE_STOP = 15;

/**
 * Reads the audio level of a packet whose header was read.
 *
 * @param bytes the buffer that `header` was read from.
 * @param id of the extension as negotiated, 1 … 14; 0 for not negotiated.
 * @returns 0 (loudest) … 127 (silence), or {@link NO_LEVEL}. Never throws, whatever the bytes.
 */
export function readLevel(bytes: Uint8Array, header: RtpHeader, id: number): number {
  if (id === 0 || header.extensionLength === 0) return NO_LEVEL;
  const profile = header.extensionProfile;
  const twoByte = (profile & 0xfff0) === TWO_BYTE_PROFILE;
  if (!twoByte && profile !== ONE_BYTE_PROFILE) return NO_LEVEL;
  const end = header.extensionOffset + header.extensionLength;
  let at = header.extensionOffset;
  while (at < end) {
    const first = bytes[at++]!;
    // Padding between elements.
    if (first === 0) continue;
    let element = first;
    let length: number;
    if (twoByte) {
      if (at >= end) return NO_LEVEL;
      length = bytes[at++]!;
    } else {
      element = first >> 4;
      if (element === ONE_BYTE_STOP) return NO_LEVEL;
      length = (first & 0x0f) + 1;
    }
    if (element === id) return length >= 1 && at < end ? bytes[at]! & 0x7f : NO_LEVEL;
    at += length;
  }
  return NO_LEVEL;
}
