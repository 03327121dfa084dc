/** The payload types that an offer's m-line gives the two formats that are forwarded: Opus, and RED around Opus. Pure. */
import type { MediaDescription } from 'sdp-transform';

/** The payload type that the line gives Opus (RFC 7587, section 7), or null. */
export function opusPayloadType(media: MediaDescription): number | null {
  return payloadTypesOf(media, 'opus')[0] ?? null;
}

/**
 * The payload type that the line gives RED (RFC 2198), whose blocks must all be Opus as its format parameters say
 * (`111/111`); 0 if there is none.
 */
export function redPayloadType(media: MediaDescription, opus: number): number {
  const isRedOfOpus = (payloadType: number): boolean => {
    const parameters = media.fmtp.find(({ payload }) => payload === payloadType)?.config ?? '';
    return (
      payloadType !== opus &&
      String(parameters)
        .split('/')
        .every((block) => block.trim() === String(opus))
    );
  };
  return payloadTypesOf(media, 'red').find(isRedOfOpus) ?? 0;
}

/** Usable payload types of a codec at 48 kHz with two channels, each once, however often a hostile offer names it. */
function payloadTypesOf(media: MediaDescription, name: 'opus' | 'red'): number[] {
  const listed = new Set(String(media.payloads ?? '').split(' '));
  const usable = new Set<number>();
  for (const { payload, codec, rate, encoding } of media.rtp) {
    if (String(codec).toLowerCase() !== name || rate !== 48_000 || Number(encoding) !== 2) continue;
    if (!listed.has(String(payload)) || !Number.isInteger(payload) || payload < 0 || payload > 127) continue;
    // 64 … 95 would read as RTCP: RFC 5761, section 4.
    if (payload < 64 || payload > 95) usable.add(payload);
  }
  return [...usable];
}
