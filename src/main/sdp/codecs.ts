/**
 * Reads from an offer's m-line what its packets look like: the payload types of the two formats that the server
 * forwards, Opus and RED around Opus, and the SSRCs. Pure.
 */
import type { MediaDescription } from 'sdp-transform';

/** SSRCs read from one m-line. A browser declares one. */
const MAX_SSRCS = 4;
/** Formats read from a refused line. */
const MAX_FORMATS = 32;

/** Returns the line's payload type for Opus (RFC 7587, section 7), or null. */
export function opusPayloadType(media: MediaDescription): number | null {
  return payloadTypesOf(media, 'opus')[0] ?? null;
}

/**
 * Returns the line's payload type for RED (RFC 2198) if its format parameters (`111/111`) say that all blocks are Opus;
 * otherwise 0.
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

/** Returns the usable payload types of a codec at 48 kHz with two channels, each once even if the offer repeats it. */
function payloadTypesOf(media: MediaDescription, name: 'opus' | 'red'): number[] {
  const listed = new Set(String(media.payloads ?? '').split(' '));
  const usable = new Set<number>();
  for (const { payload, codec, rate, encoding } of media.rtp) {
    if (String(codec).toLowerCase() !== name || rate !== 48_000 || Number(encoding) !== 2) continue;
    if (!listed.has(String(payload)) || !Number.isInteger(payload) || payload < 0 || payload > 127) continue;
    // 64 … 95 would look like RTCP: RFC 5761, section 4.
    if (payload < 64 || payload > 95) usable.add(payload);
  }
  return [...usable];
}

/** Returns the SSRCs that the line declares (RFC 5576), as signed words. */
export function declaredSsrcs(media: MediaDescription): number[] {
  const ssrcs = new Set<number>();
  for (const { id } of media.ssrcs ?? []) {
    const ssrc = /^\d{1,10}$/.test(String(id)) ? Number(id) : Number.NaN;
    if (ssrcs.size < MAX_SSRCS && ssrc <= 0xffff_ffff) ssrcs.add(ssrc | 0);
  }
  return [...ssrcs];
}

/** Encodings of payload types that need no `a=rtpmap`: RFC 3551, section 6. */
const STATIC_ENCODINGS: Readonly<Record<string, string>> = {
  0: 'PCMU/8000',
  3: 'GSM/8000',
  8: 'PCMA/8000',
  9: 'G722/8000',
  13: 'CN/8000',
  18: 'G729/8000',
};

/**
 * Chooses the format of a refused line in the answer. Clients look up its encoding although the line is refused, and
 * pion and webrtc-rs take the format of the first audio line, refused or not, for all audio lines.
 *
 * @param formats the m-line's formats.
 * @returns Opus; otherwise the first format that has an encoding; otherwise the first one that is a token.
 */
export function describeFormat(
  media: MediaDescription,
  formats: readonly string[],
): { format: string; encoding: string | null } {
  const opus = opusPayloadType(media);
  const all = opus === null ? formats : [String(opus), ...formats];
  const tokens = all.filter((format) => /^[\w.-]{1,64}$/.test(format)).slice(0, MAX_FORMATS);
  for (const format of tokens) {
    const encoding = encodingOf(media, format);
    if (encoding !== null) return { format, encoding };
  }
  return { format: tokens[0] ?? '0', encoding: null };
}

/** Returns an encoding such as `VP8/90000` or `opus/48000/2`; null if the line has none, or a malformed one. */
function encodingOf(media: MediaDescription, format: string): string | null {
  if (!/^\d{1,3}$/.test(format)) return null;
  const mapped = media.rtp.find(({ payload }) => String(payload) === format);
  if (mapped === undefined) return STATIC_ENCODINGS[format] ?? null;
  const { codec, rate, encoding } = mapped;
  const text = [codec, rate, ...(encoding === undefined ? [] : [encoding])].join('/');
  return /^[\w.+-]{1,32}\/[1-9]\d{0,6}(?:\/[1-9]\d?)?$/.test(text) ? text : null;
}
