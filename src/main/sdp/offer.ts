/** Parses an offer's text. Keeps the text's lines too, because the parser drops or merges some. Pure. */
import { type MediaDescription, parse, type SessionDescription } from 'sdp-transform';

/** Lines of text in an offer. Parsing takes 10 µs per line, and a browser writes 50 lines per m-line. */
const MAX_TEXT_LINES = 3000;

/** An offer cannot be answered. `kind` decides the close code; `message` is for the client's developer. */
export class OfferError extends Error {
  readonly kind: 'bad-sdp' | 'no-audio';
  constructor(kind: OfferError['kind'], message: string) {
    super(message);
    this.name = 'OfferError';
    this.kind = kind;
  }
}

/** One m-line with its attributes. */
export interface OfferedLine {
  readonly media: MediaDescription;
  /** The lines of its section as the client sent them; the first one is the m-line. */
  readonly text: readonly string[];
}

/** A parsed offer. */
export interface Offer {
  readonly session: SessionDescription;
  /** The lines before the first m-line. */
  readonly text: readonly string[];
  /** At least one. */
  readonly lines: readonly OfferedLine[];
}

/** Whether a text can be an SDP: it begins with `v=0` (RFC 8866, section 5). */
export function looksLikeSdp(text: string): boolean {
  return /^v=0\r?\n/.test(text);
}

/** Parses an offer. @throws OfferError if it is not an SDP with at least one m-line, or is too long. */
export function parseOffer(text: string): Offer {
  if (!looksLikeSdp(text)) {
    const json = text.trimStart().startsWith('{') ? ' (it is JSON: send description.sdp, not the description)' : '';
    throw new OfferError('bad-sdp', `the first message must be the raw SDP of an offer, beginning with v=0${json}`);
  }
  const count = text.split('\n', MAX_TEXT_LINES + 1).length;
  if (count > MAX_TEXT_LINES) throw new OfferError('bad-sdp', `the offer has more than ${MAX_TEXT_LINES} lines`);
  let session: SessionDescription;
  try {
    session = parse(text);
  } catch {
    throw new OfferError('bad-sdp', 'the offer cannot be parsed as SDP (RFC 8866)');
  }
  if (session.media.length === 0) throw new OfferError('bad-sdp', 'the offer has no m-line');
  const sections = sectionsOf(text);
  const lines = session.media.map((media, i) => ({ media, text: sections[i + 1] ?? [] }));
  return { session, text: sections[0]!, lines };
}

/** Splits a text before each m-line. The first section is the session's. */
function sectionsOf(text: string): string[][] {
  const sections: string[][] = [[]];
  // These are the parser's rules for line ends, and for what a line is.
  for (const line of text.split(/(\r\n|\r|\n)/)) {
    if (!/^[a-z]=/.test(line)) continue;
    if (line.startsWith('m=')) sections.push([]);
    sections.at(-1)!.push(line);
  }
  return sections;
}
