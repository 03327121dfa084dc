/**
 * An offer read into a plan: what the connection publishes, its receive slots, and what is refused. Pure.
 *
 * Nothing of the offer's text reaches the native library or the answer but tokens that were checked here one by one.
 */
import { type MediaDescription, parse, type SessionDescription } from 'sdp-transform';
import type { Publication } from '../../workers/protocol.ts';
import type { RedUse } from '../config.ts';
import { declaredSsrcs, opusPayloadType, redPayloadType } from './codecs.ts';

export const LEVEL_EXTENSION = 'urn:ietf:params:rtp-hdrext:ssrc-audio-level';

/** Lines of text in an offer: parsing takes 10 µs a line, and a browser writes 50 an m-line. */
const MAX_TEXT_LINES = 3000;
const DEFAULT_SCTP_PORT = 5000;
/** What RFC 8841, section 6 has in force when an offer says nothing. */
const DEFAULT_MAX_MESSAGE_BYTES = 65_536;

const TOKEN = /^[\w!#$%&'*+.^`{|}~-]{1,64}$/;
const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
const FINGERPRINT = /^(?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2}$/;
/** Hash functions of certificate fingerprints (RFC 8122, section 5) and the bytes each yields. */
const HASH_BYTES = new Map([
  ['sha-1', 20],
  ['sha-224', 28],
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
]);

/** Why an offer cannot be answered; `kind` decides the close code, `message` is for the client's developer. */
export class OfferError extends Error {
  readonly kind: 'bad-sdp' | 'no-audio';
  constructor(kind: OfferError['kind'], message: string) {
    super(message);
    this.name = 'OfferError';
    this.kind = kind;
  }
}

/** One m-line of the answer, in the order of the offer. */
export type PlannedLine =
  | {
      readonly kind: 'audio';
      readonly mid: string;
      readonly protocol: string;
      readonly payloadType: number;
      /** The one of RED (RFC 2198); 0 if it is not offered or not taken. */
      readonly redPayloadType: number;
      /** Id that the offer gave the audio level extension (RFC 6464), where this line publishes; 0 for none. */
      readonly levelExtension: number;
      /** Whether the client's audio on this line is taken. */
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
      readonly format: string;
      readonly why: string;
    };

/** A receive slot. */
export interface PlannedSlot {
  readonly mid: string;
  readonly payloadType: number;
  /** The one to send RED with; 0 if none is to be sent. */
  readonly redPayloadType: number;
}

/** What an offer asks for and what it is given. */
export interface Plan {
  readonly lines: readonly PlannedLine[];
  readonly publication: Publication | null;
  /** Receive slots in the order of their m-lines. */
  readonly slots: readonly PlannedSlot[];
  /** m-lines that would have been slots, had more been allowed. */
  readonly surplusSlots: number;
  /** Whether the offer bundled the accepted lines; if not, there is only one. */
  readonly bundled: boolean;
  readonly data: { readonly port: number; readonly maxMessageSize: number } | null;
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  readonly fingerprint: { readonly hash: string; readonly value: string };
  readonly setup: 'actpass' | 'active' | 'passive';
}

/** What the server's configuration allows a plan. */
export interface PlanLimits {
  /** Receive slots allowed; recvonly lines beyond are refused. */
  readonly maxSlots: number;
  /** m-lines allowed, of any kind. */
  readonly maxLines: number;
  readonly red: RedUse;
}

/**
 * Reads an offer.
 *
 * Rules: an audio m-line with Opus that sends publishes, the first such line only; one that receives is a slot, up to
 * `maxSlots`. All accepted lines share the transport of the first of them (RFC 8843), so each must be in its BUNDLE
 * group. Video, further publishers and surplus slots are refused line by line; the connection goes on without them.
 *
 * @throws OfferError if nothing can be answered.
 */
export function planOffer(text: string, limits: PlanLimits): Plan {
  const session = parseOffer(text);
  if (session.media.length > limits.maxLines) {
    throw new OfferError('bad-sdp', `the offer has ${session.media.length} m-lines; ${limits.maxLines} are allowed`);
  }
  const planner = new Planner(session, limits);
  const lines = session.media.map((media) => planner.line(media));
  const carrier = planner.carrier;
  if (carrier === null || !lines.some((line) => line.kind === 'audio')) {
    throw new OfferError('no-audio', `no usable audio: ${describeRefusals(lines)}`);
  }
  return {
    lines,
    publication: planner.publication,
    slots: planner.slots,
    surplusSlots: planner.surplusSlots,
    data: planner.data,
    bundled: planner.bundled,
    ...transportOf(carrier, session),
  };
}

/** Whether a text could be an SDP at all: RFC 8866, section 5 wants `v=0` first. */
export function looksLikeSdp(text: string): boolean {
  return /^v=0\r?\n/.test(text);
}

function parseOffer(text: string): SessionDescription {
  if (!looksLikeSdp(text)) {
    const json = text.trimStart().startsWith('{') ? ' (it is JSON: send description.sdp, not the description)' : '';
    throw new OfferError('bad-sdp', `the first message must be the raw SDP of an offer, beginning with v=0${json}`);
  }
  const count = text.split('\n', MAX_TEXT_LINES + 1).length;
  if (count > MAX_TEXT_LINES) throw new OfferError('bad-sdp', `the offer has more than ${MAX_TEXT_LINES} lines`);
  try {
    const session = parse(text);
    if (session.media.length === 0) throw new OfferError('bad-sdp', 'the offer has no m-line');
    return session;
  } catch (error) {
    if (error instanceof OfferError) throw error;
    throw new OfferError('bad-sdp', 'the offer cannot be parsed as SDP (RFC 8866)');
  }
}

/** Goes through the m-lines in order and remembers what was given away. */
class Planner {
  publication: Plan['publication'] = null;
  readonly slots: PlannedSlot[] = [];
  surplusSlots = 0;
  data: Plan['data'] = null;
  /** The first accepted m-line: the one whose transport all others share. */
  carrier: MediaDescription | null = null;
  bundled = false;
  private readonly mids = new Set<string>();
  private readonly session: SessionDescription;
  private readonly limits: PlanLimits;
  private bundle: readonly string[] = [];

  constructor(session: SessionDescription, limits: PlanLimits) {
    this.session = session;
    this.limits = limits;
  }

  line(media: MediaDescription): PlannedLine {
    const mid = this.readMid(media);
    const refuse = (why: string): PlannedLine => ({
      kind: 'refused',
      mid,
      media: safeToken(media.type, 'audio'),
      protocol: /^[\w/]{1,32}$/.test(String(media.protocol)) ? String(media.protocol) : 'UDP/TLS/RTP/SAVPF',
      format: safeToken(String(media.payloads ?? '').split(' ')[0], '0'),
      why,
    });
    if (mid === null) return refuse('no a=mid');
    if (media.port === 0 && media.bundleOnly === undefined) return refuse('refused by the offer itself (port 0)');
    if (this.carrier !== null && !this.bundle.includes(mid)) return refuse('not bundled with the first accepted line');
    const planned = media.type === 'application' ? this.dataLine(media, mid) : this.audioLine(media, mid);
    if (typeof planned === 'string') return refuse(planned);
    if (this.carrier === null) {
      this.carrier = media;
      this.bundle = this.bundleOf(mid);
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

  private bundleOf(mid: string): readonly string[] {
    for (const group of this.session.groups ?? []) {
      const mids = String(group.mids).split(' ');
      if (group.type !== 'BUNDLE' || !mids.includes(mid)) continue;
      this.bundled = true;
      return mids;
    }
    return [mid];
  }

  /** @returns the line, or why it is refused. */
  private dataLine(media: MediaDescription, mid: string): PlannedLine | string {
    const protocol = String(media.protocol);
    if (!/^(UDP|TCP)\/DTLS\/SCTP$/.test(protocol)) return `protocol ${protocol} is not DTLS/SCTP`;
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
    if (!/^(UDP|TCP)\/TLS\/RTP\/SAVPF$|^RTP\/SAVPF$/.test(protocol)) return `protocol ${protocol} is not DTLS-SRTP`;
    if (media.rtcpMux === undefined) return 'no a=rtcp-mux';
    const payloadType = opusPayloadType(media);
    if (payloadType === null) return 'no opus/48000/2 with a usable payload type';

    const direction = media.direction ?? this.session.direction ?? 'sendrecv';
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
    const levelExtension = publishes ? levelExtensionId(media) : 0;
    if (publishes) this.publication = { ...formats, levelExtension, ssrcs: declaredSsrcs(media) };
    if (slot !== null) this.slots.push({ mid, payloadType, redPayloadType: downlink ? red : 0 });
    return { kind: 'audio', mid, protocol, ...formats, levelExtension, publishes, slot };
  }
}

function levelExtensionId(media: MediaDescription): number {
  const extension = (media.ext ?? []).find(({ uri }) => uri === LEVEL_EXTENSION);
  // One-byte header extensions have the ids 1 … 14: RFC 8285, section 4.2.
  const id = Number(extension?.value);
  return id >= 1 && id <= 14 && Number.isInteger(id) ? id : 0;
}

function transportOf(
  media: MediaDescription,
  session: SessionDescription,
): Pick<Plan, 'ice' | 'fingerprint' | 'setup'> {
  const ufrag = String(media.iceUfrag ?? session.iceUfrag ?? '');
  const pwd = String(media.icePwd ?? session.icePwd ?? '');
  if (!ICE_UFRAG.test(ufrag)) throw new OfferError('bad-sdp', 'a=ice-ufrag is missing or malformed (RFC 8839)');
  if (!ICE_PWD.test(pwd)) throw new OfferError('bad-sdp', 'a=ice-pwd is missing or malformed (RFC 8839)');
  const fingerprint = media.fingerprint ?? session.fingerprint;
  const hash = String(fingerprint?.type ?? '').toLowerCase();
  const value = String(fingerprint?.hash ?? '');
  if (!FINGERPRINT.test(value) || value.split(':').length !== HASH_BYTES.get(hash)) {
    throw new OfferError('bad-sdp', 'a=fingerprint is missing, malformed or of an unknown hash (RFC 8122)');
  }
  const setup = String(media.setup ?? session.setup ?? 'actpass');
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') {
    throw new OfferError('bad-sdp', `a=setup:${safeToken(setup, '?')} is not actpass, active or passive (RFC 8842)`);
  }
  return { ice: { ufrag, pwd }, fingerprint: { hash, value }, setup };
}

function describeRefusals(lines: readonly PlannedLine[]): string {
  const reasons = lines.map((line, i) =>
    line.kind === 'refused' ? `m-line ${i}: ${line.why}` : `m-line ${i}: no audio`,
  );
  return reasons.slice(0, 3).join('; ');
}

function safeToken(text: string | undefined, otherwise: string): string {
  return text !== undefined && TOKEN.test(text) ? text : otherwise;
}
