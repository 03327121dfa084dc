/** Packets as a browser sends them: Opus-sized, with an audio level. */

/** Returns consecutive voice packets of one source: 12 bytes of header, an 8-byte extension, and the payload. */
export function voicePackets(count: number, payloadBytes = 100, ssrc = 1000): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const packet = new Uint8Array(20 + payloadBytes).fill(0x55);
    const view = new DataView(packet.buffer);
    packet[0] = 0x90;
    packet[1] = 111;
    view.setUint16(2, i);
    view.setUint32(4, i * 960);
    view.setUint32(8, ssrc);
    view.setUint32(12, 0xbede0001);
    view.setUint32(16, 0x109e0000 | ((i & 63) << 16));
    return packet;
  });
}

/** The payload type of {@link redPacket}. */
export const RED_PAYLOAD_TYPE = 63;

/** Returns such a packet as RED (RFC 2198), as Chromium sends it: it repeats the payload of the packet before. */
export function redPacket(payloadBytes = 100, ssrc = 1000): Uint8Array {
  const headers = 5;
  const packet = voicePackets(1, headers + 2 * payloadBytes, ssrc)[0]!;
  packet[1] = RED_PAYLOAD_TYPE;
  const view = new DataView(packet.buffer);
  view.setUint32(20, ((0xef << 24) | (960 << 10) | payloadBytes) >>> 0);
  packet[24] = 111;
  return packet;
}

/** The id of the audio level extension in {@link voicePackets}. */
export const LEVEL_ID = 1;
/** Offset of the level's byte. */
export const LEVEL_OFFSET = 17;

/** Returns a level of somebody who talks: syllables, with short pauses. @param voice tells people apart. */
export function spokenLevel(frame: number, voice: number): number {
  const at = frame + 17 * voice;
  return at % 40 < 4 ? 75 : 25 + ((at * 5) % 12);
}
