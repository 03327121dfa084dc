import { readdirSync, readFileSync } from 'node:fs';

const DIRECTORY = new URL('../../../test/data/offers/', import.meta.url);

/** Returns the names of the recorded offers, such as `chromium-156-sendrecv`. */
export function offerNames(): string[] {
  return readdirSync(DIRECTORY)
    .filter((file) => file.endsWith('.sdp'))
    .map((file) => file.slice(0, -'.sdp'.length))
    .sort();
}

/** Returns a recorded offer, with the line ends that browsers send, even if the checkout has others. */
export function readOffer(name: string): string {
  return readFileSync(new URL(`${name}.sdp`, DIRECTORY), 'utf8').replace(/\r?\n/g, '\r\n');
}

const TRANSPORT = [
  'a=ice-ufrag:abcd',
  'a=ice-pwd:0123456789abcdefghijklmn',
  `a=fingerprint:sha-256 ${Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':')}`,
  'a=setup:actpass',
];

/** One m-line of an offer written for a test. */
export interface OfferLine {
  readonly media?: 'audio' | 'video' | 'application' | 'text';
  /** The line's index by default; null for none. */
  readonly mid?: string | null;
  /** Null for none. */
  readonly direction?: 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive' | null;
  readonly port?: number;
  readonly protocol?: string;
  readonly payloadType?: number | string;
  /** Lines added at the end of the m-line's section. */
  readonly more?: readonly string[];
  /** Leaves out the lines of the section that match. */
  readonly without?: RegExp;
}

/** The session part of an offer written for a test. */
export interface OfferShape {
  /** Mids in the BUNDLE group; all by default, null for no group. */
  readonly bundle?: readonly string[] | null;
  /** Attributes before the first m-line. */
  readonly session?: readonly string[];
}

/** Writes an offer with these m-lines; by default each is an audio line that publishes and listens. */
export function writeOffer(lines: readonly OfferLine[], { bundle, session = [] }: OfferShape = {}): string {
  const mids = bundle === undefined ? lines.map(({ mid }, i) => (mid === undefined ? String(i) : mid)) : bundle;
  const text = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0'];
  if (mids !== null) text.push(`a=group:BUNDLE ${mids.filter((mid) => mid !== null).join(' ')}`);
  text.push(...session);
  lines.forEach((line, i) => {
    const own = mediaLines(line, i).filter((attribute) => line.without?.test(attribute) !== true);
    text.push(...own, ...(line.more ?? []));
  });
  return `${text.join('\r\n')}\r\n`;
}

function mediaLines(line: OfferLine, index: number): string[] {
  const { media = 'audio', mid = String(index), direction = 'sendrecv', port = 9, payloadType = 111 } = line;
  const isData = media === 'application';
  const { protocol = isData ? 'UDP/DTLS/SCTP' : 'UDP/TLS/RTP/SAVPF' } = line;
  const text = [`m=${media} ${port} ${protocol} ${isData ? 'webrtc-datachannel' : payloadType}`, 'c=IN IP4 0.0.0.0'];
  if (mid !== null) text.push(`a=mid:${mid}`);
  text.push(...TRANSPORT);
  if (isData) text.push('a=sctp-port:5000', 'a=max-message-size:262144');
  else {
    if (direction !== null) text.push(`a=${direction}`);
    text.push('a=rtcp-mux', `a=rtpmap:${payloadType} ${media === 'audio' ? 'opus/48000/2' : 'VP8/90000'}`);
    text.push('a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level', `a=ssrc:${1000 + index} cname:test`);
  }
  return text;
}
