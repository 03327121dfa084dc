/**
 * Reads an offer into a plan: the connection's publication, its receive slots, and the refused lines. Pure.
 *
 * Of the offer's text, only tokens that this module has checked one by one reach the native library or the answer.
 */
import type { MediaDescription } from 'sdp-transform';
import type { Publication } from '../../workers/protocol.ts';
import type { RedUse } from '../config.ts';
import { declaredSsrcs, describeFormat, opusPayloadType, redPayloadType } from './codecs.ts';
import { type Offer, OfferError, type OfferedLine, parseOffer } from './offer.ts';
import { type RemoteTransport, readTransport } from './transport.ts';

export const LEVEL_EXTENSION = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

const DEFAULT_SCTP_PORT = 5000;
/** Longest message of a client whose offer has no limit, bytes: RFC 8841, section 6. */
const DEFAULT_MAX_MESSAGE_BYTES = 65_536;

/** Characters in a mid. Browsers write small numbers. */
const MAX_MID = 64;
/** RFC 8866, section 9. */
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,64}$/;

/** One m-line of the answer. */
export type PlannedLine =
  | {
      readonly kind: 'audio';
      readonly mid: string;
      readonly protocol: string;
      readonly payloadType: number;
      /** Payload type of RED (RFC 2198); 0 if it is not offered or not accepted. */
      readonly redPayloadType: number;
      /** The offer's id of the audio level extension (RFC 6464), if this line publishes; 0 for none. */
      readonly levelExtension: number;
      /** Whether this line is the client's publication. */
      readonly publishes: boolean;
      /** Index into {@link Plan.slots}, or null if nothing is sent on this line. */
      readonly slot: number | null;
    }
  | { readonly kind: 'data'; readonly mid: string; readonly protocol: string }
  | {
      readonly kind: 'refused';
      readonly mid: string | null;
      readonly media: string;
      readonly protocol: string;
      /** A payload type, or whatever token the offer has in its place. */
      readonly format: string;
      /** The format's encoding, as in `VP8/90000`; null if the offer has none. */
      readonly encoding: string | null;
      /**
       * Whether the line stays in the bundle, inactive, instead of being rejected by port 0. The first line describes
       * the transport of the whole bundle, and Chromium with `bundlePolicy: 'max-bundle'` has no other transport.
       */
      readonly staysInBundle: boolean;
      readonly why: string;
    };

/** A receive slot. */
export interface PlannedSlot {
  readonly mid: string;
  readonly payloadType: number;
  /** Payload type of the RED to send; 0 for no RED. */
  readonly redPayloadType: number;
}

/** An offer as the server understands it, and what it accepts of it. */
export interface Plan extends RemoteTransport {
  readonly lines: readonly PlannedLine[];
  readonly publication: Publication | null;
  /** Receive slots in the order of their m-lines. */
  readonly slots: readonly PlannedSlot[];
  /** m-lines that would be slots if `maxSlots` were higher. */
  readonly surplusSlots: number;
  /** Mids of the lines in the bundle, in the offer's order; null if the accepted line is in no bundle. */
  readonly bundle: readonly string[] | null;
  readonly data: { readonly port: number; readonly maxMessageSize: number } | null;
}

/** The limits that the configuration sets. */
export interface PlanLimits {
  /** Receive slots; further recvonly lines are refused. */
  readonly maxSlots: number;
  /** m-lines of any kind. */
  readonly maxLines: number;
  readonly red: RedUse;
}

/**
 * Reads an offer.
 *
 * The first audio m-line with Opus that sends is the publication. Audio m-lines with Opus that receive are slots, up to
 * `maxSlots`. All accepted lines share the transport of the first of them (RFC 8843), so each must be in its BUNDLE
 * group. Video, further publications and surplus slots are refused line by line; the connection works without them.
 *
 * @throws OfferError if nothing can be answered.
 */
export function planOffer(text: string, limits: PlanLimits): Plan {
  const offer = parseOffer(text);
  if (offer.lines.length > limits.maxLines) {
    throw new OfferError('bad-sdp', `the offer has ${offer.lines.length} m-lines; ${limits.maxLines} are allowed`);
  }
  const planner = new Planner(offer, limits);
  const planned = offer.lines.map((line) => planner.line(line));
  const { carrier, group } = planner;
  if (carrier === null || !planned.some((line) => line.kind === 'audio')) {
    throw new OfferError('no-audio', describeRefusals(planned));
  }
  const first = offer.lines.findIndex(({ media }) => group !== null && String(media.mid) === group[0]);
  const lines = planned.map((line, i) =>
    line.kind === 'refused' && i === first && line.mid !== null && canCarry(offer.lines[i]!.media)
      ? { ...line, staysInBundle: true }
      : line,
  );
  const bundled = new Set(lines.filter(isBundled).map(({ mid }) => mid));
  // Only a line that stays in the bundle can describe its transport.
  const tagged = first >= 0 && isBundled(lines[first]!) ? [offer.lines[first]!] : [];
  return {
    lines,
    publication: planner.publication,
    slots: planner.slots,
    surplusSlots: planner.surplusSlots,
    data: planner.data,
    bundle: group === null ? null : [...new Set(group)].filter((mid) => bundled.has(mid)),
    ...readTransport([...tagged, carrier], offer),
  };
}

function isBundled(line: PlannedLine): boolean {
  return line.kind !== 'refused' || line.staysInBundle;
}

/** Whether this line can describe a bundle's transport although nothing is sent on it. */
function canCarry(media: MediaDescription): boolean {
  return !isRejected(media) && isSecureRtp(media) && media.rtcpMux !== undefined;
}

/** Whether the offer itself rejects the line: RFC 8866, section 5.14, and RFC 9143, section 6. */
function isRejected(media: MediaDescription): boolean {
  return media.port === 0 && media.bundleOnly === undefined;
}

function isSecureRtp(media: MediaDescription): boolean {
  return /^(UDP|TCP)\/TLS\/RTP\/SAVPF$|^RTP\/SAVPF$/.test(String(media.protocol));
}

/** Plans the m-lines in their order, and remembers what earlier ones got. */
class Planner {
  publication: Plan['publication'] = null;
  readonly slots: PlannedSlot[] = [];
  surplusSlots = 0;
  data: Plan['data'] = null;
  /** The first accepted m-line. All others have to be in its bundle. */
  carrier: OfferedLine | null = null;
  /** Mids of that bundle in the offer's order; null if the line is in none. */
  group: readonly string[] | null = null;
  private readonly mids = new Set<string>();
  private readonly offer: Offer;
  private readonly limits: PlanLimits;

  constructor(offer: Offer, limits: PlanLimits) {
    this.offer = offer;
    this.limits = limits;
  }

  line(line: OfferedLine): PlannedLine {
    const { media } = line;
    const mid = this.readMid(media);
    const refuse = (why: string): PlannedLine => ({
      kind: 'refused',
      mid,
      ...describeLine(line),
      staysInBundle: false,
      why,
    });
    if (media.type === undefined) return refuse(whyUnreadable(line.text[0] ?? ''));
    if (mid === null) return refuse(whyNoMid(media.mid));
    if (isRejected(media)) return refuse('refused by the offer itself (port 0)');
    if (this.carrier !== null && this.group?.includes(mid) !== true)
      return refuse('not bundled with the first accepted line');
    const planned = media.type === 'application' ? this.dataLine(media, mid) : this.audioLine(media, mid);
    if (typeof planned === 'string') return refuse(planned);
    if (this.carrier === null) {
      this.carrier = line;
      this.group = this.groupOf(mid);
    }
    return planned;
  }

  private readMid(media: MediaDescription): string | null {
    const mid = media.mid === undefined ? '' : String(media.mid);
    if (!TOKEN.test(mid)) return null;
    if (this.mids.has(mid)) throw new OfferError('bad-sdp', `two m-lines have a=mid:${mid}`);
    this.mids.add(mid);
    return mid;
  }

  private groupOf(mid: string): readonly string[] | null {
    for (const { type, mids } of this.offer.session.groups ?? []) {
      const group = String(mids).split(' ');
      if (type === 'BUNDLE' && group.includes(mid)) return group;
    }
    return null;
  }

  /** @returns the line, or why it is refused. */
  private dataLine(media: MediaDescription, mid: string): PlannedLine | string {
    const protocol = String(media.protocol);
    if (!/^(UDP|TCP)\/DTLS\/SCTP$/.test(protocol))
      return `protocol ${protocol} is neither UDP/DTLS/SCTP nor TCP/DTLS/SCTP (RFC 8841)`;
    if (this.data !== null) return 'a second data channel line';
    const port = Number(media.sctpPort ?? DEFAULT_SCTP_PORT);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return 'a=sctp-port is not a port';
    const size = Number(media.maxMessageSize ?? DEFAULT_MAX_MESSAGE_BYTES);
    const maxMessageSize = Number.isSafeInteger(size) && size >= 0 ? size : DEFAULT_MAX_MESSAGE_BYTES;
    this.data = { port, maxMessageSize };
    return { kind: 'data', mid, protocol };
  }

  /** @returns the line, or why it is refused. */
  private audioLine(media: MediaDescription, mid: string): PlannedLine | string {
    const protocol = String(media.protocol);
    if (media.type !== 'audio') return `${safeToken(media.type, 'unknown')} is not forwarded`;
    if (!isSecureRtp(media)) return `protocol ${protocol} is not DTLS-SRTP`;
    if (media.rtcpMux === undefined) return 'no a=rtcp-mux';
    const payloadType = opusPayloadType(media);
    if (payloadType === null) return 'no opus/48000/2 with a usable payload type';
    const direction = media.direction ?? this.offer.session.direction ?? 'sendrecv';
    const sends = direction === 'sendrecv' || direction === 'sendonly';
    const receives = direction === 'sendrecv' || direction === 'recvonly';
    const publishes = sends && this.publication === null;
    const slot = receives && this.slots.length < this.limits.maxSlots ? this.slots.length : null;
    if (receives && slot === null) this.surplusSlots++;
    if (!publishes && slot === null) {
      if (receives) return `more than ${this.limits.maxSlots} receive slots`;
      return sends ? 'a second publishing line' : 'inactive';
    }
    const uplink = publishes && this.limits.red !== 'off';
    const downlink = slot !== null && this.limits.red === 'both';
    const red = uplink || downlink ? redPayloadType(media, payloadType) : 0;
    const formats = { payloadType, redPayloadType: red };
    const levelExtension = publishes ? levelExtensionId([...(media.ext ?? []), ...(this.offer.session.ext ?? [])]) : 0;
    if (publishes) this.publication = { ...formats, levelExtension, ssrcs: declaredSsrcs(media) };
    if (slot !== null) this.slots.push({ mid, payloadType, redPayloadType: downlink ? red : 0 });
    return { kind: 'audio', mid, protocol, ...formats, levelExtension, publishes, slot };
  }
}

/** Returns the audio level extension's id: the line's, or else the session's (RFC 8285, section 5); 0 if not sent. */
function levelExtensionId(extensions: NonNullable<MediaDescription['ext']>): number {
  const sent = extensions.filter(({ direction }) => direction !== 'recvonly' && direction !== 'inactive');
  // One-byte header extensions have the ids 1 … 14: RFC 8285, section 4.2.
  const id = Number(sent.find(({ uri }) => uri === LEVEL_EXTENSION)?.value);
  return id >= 1 && id <= 14 && Number.isInteger(id) ? id : 0;
}

/** Returns media, protocol and format of a refused line for the answer: the offer's where they are clean tokens. */
function describeLine({ media, text }: OfferedLine): {
  media: string;
  protocol: string;
  format: string;
  encoding: string | null;
} {
  const [, kind, protocol, formats] = /^m=(\S+) \S+ (\S+) (.+)$/.exec(text[0] ?? '') ?? [];
  return {
    media: safeToken(kind, 'audio'),
    protocol: /^[\w/]{1,32}$/.test(protocol ?? '') ? protocol! : 'UDP/TLS/RTP/SAVPF',
    ...describeFormat(media, (formats ?? '').split(' ')),
  };
}

function whyUnreadable(line: string): string {
  if (/^m=\S+ \d+\/\d+ /.test(line)) return 'a range of ports, as in 9/2, is for multicast (RFC 8866, section 5.14)';
  return 'the m-line is not media, port, protocol and formats (RFC 8866, section 5.14)';
}

function whyNoMid(mid: unknown): string {
  if (mid === undefined) return 'no a=mid';
  const { length } = String(mid);
  if (length > MAX_MID) return `a=mid has ${length} characters; ${MAX_MID} are allowed`;
  return 'a=mid is not a token (RFC 5888, section 4)';
}

function describeRefusals(lines: readonly PlannedLine[]): string {
  const reasons = lines.map((line, i) => `m-line ${i}: ${line.kind === 'refused' ? line.why : 'no audio'}`);
  return reasons.slice(0, 3).join('; ');
}

function safeToken(text: string | undefined, otherwise: string): string {
  return text !== undefined && TOKEN.test(text) ? text : otherwise;
}
