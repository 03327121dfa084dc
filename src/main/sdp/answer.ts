/**
 * The two texts that follow from a plan: the answer for the client, and the offer as the native library is told it. Pure.
 */
import { LEVEL_EXTENSION, type Plan, type PlannedLine } from './plan.ts';

const OPUS_PARAMETERS = 'minptime=10;useinbandfec=1;usedtx=1';
/** What libdatachannel takes in one message; it splits nothing. Bytes. */
const MAX_MESSAGE_BYTES = 262_144;
const SCTP_PORT = 5000;

/** The server's end of the transport, as the native library reports it. */
export interface LocalTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** `sha-256 AB:CD:…` */
  readonly fingerprint: string;
  readonly setup: string;
  /** Candidate attributes without `a=`: `candidate:1 1 UDP …`. */
  readonly candidates: readonly string[];
}

/** The outgoing SSRC of each slot, unsigned, in the order of `Plan.slots`. */
export type SlotSsrcs = readonly number[];

/** What browsers send when nothing is said, milliseconds of audio a packet. */
const USUAL_PTIME_MS = 20;

/**
 * Writes the answer (RFC 3264, RFC 8829): every m-line of the offer in its place, the refused ones with port 0, all
 * candidates in the first one of the bundle, and for each slot one fixed SSRC with a media stream of its own, so that a
 * browser shows every slot as a stream.
 *
 * @param ptime milliseconds of audio that the client is asked to put into a packet (RFC 8866, section 6.4).
 */
export function writeAnswer(
  plan: Plan,
  local: LocalTransport,
  ssrcs: SlotSsrcs,
  sessionId: string,
  ptime = USUAL_PTIME_MS,
): string {
  const carrier = plan.bundle?.[0] ?? plan.lines.find(({ kind }) => kind !== 'refused')!.mid;
  const transport = [
    `a=setup:${local.setup}`,
    `a=ice-ufrag:${local.ufrag}`,
    `a=ice-pwd:${local.pwd}`,
    `a=fingerprint:${local.fingerprint}`,
  ];
  const text = [
    'v=0',
    `o=backend-webrtc ${sessionId} 1 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    ...(plan.bundle === null ? [] : [`a=group:BUNDLE ${plan.bundle.join(' ')}`]),
    'a=msid-semantic: WMS *',
    'a=ice-options:ice2',
  ];
  for (const line of plan.lines) {
    text.push(...mediaLines(line, ssrcs, ptime), ...transport);
    if (line.mid === carrier && carrier !== null)
      text.push(...local.candidates.map((candidate) => `a=${candidate}`), 'a=end-of-candidates');
  }
  return `${text.join('\r\n')}\r\n`;
}

function mediaLines(line: PlannedLine, ssrcs: SlotSsrcs, ptime: number): string[] {
  switch (line.kind) {
    case 'refused':
      return refusedLines(line);
    case 'data':
      return [
        `m=application 9 ${line.protocol} webrtc-datachannel`,
        'c=IN IP4 0.0.0.0',
        `a=mid:${line.mid}`,
        `a=sctp-port:${SCTP_PORT}`,
        `a=max-message-size:${MAX_MESSAGE_BYTES}`,
      ];
    case 'audio':
      return audioLines(line, ssrcs, ptime);
    default:
      return line satisfies never;
  }
}

/**
 * A refused line has port 0 and means nothing (RFC 3264, section 6); yet pion, str0m, aiortc, GStreamer, webrtc-rs and
 * werift look in it for what every line has, and reject the whole answer if that is missing.
 */
function refusedLines(line: Extract<PlannedLine, { kind: 'refused' }>): string[] {
  const { media, protocol, format, encoding } = line;
  return [
    `m=${media} ${line.staysInBundle ? 9 : 0} ${protocol} ${format}`,
    'c=IN IP4 0.0.0.0',
    ...(line.mid === null ? [] : [`a=mid:${line.mid}`]),
    'a=inactive',
    ...(media === 'application' ? [`a=sctp-port:${SCTP_PORT}`] : ['a=rtcp-mux']),
    ...(encoding === null ? [] : [`a=rtpmap:${format} ${encoding}`]),
  ];
}

function audioLines(line: Extract<PlannedLine, { kind: 'audio' }>, ssrcs: SlotSsrcs, ptime: number): string[] {
  const { payloadType, redPayloadType } = line;
  // What stands first is what a browser sends. What is sent to it is the server's to choose, packet by packet.
  const red = redPayloadType === 0 ? [] : [redPayloadType];
  const text = [
    `m=audio 9 ${line.protocol} ${[...red, payloadType].join(' ')}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${line.mid}`,
    `a=${line.slot === null ? 'recvonly' : line.publishes ? 'sendrecv' : 'sendonly'}`,
    'a=rtcp-mux',
    ...red.flatMap((type) => [`a=rtpmap:${type} red/48000/2`, `a=fmtp:${type} ${payloadType}/${payloadType}`]),
    `a=rtpmap:${payloadType} opus/48000/2`,
    `a=fmtp:${payloadType} ${OPUS_PARAMETERS}`,
  ];
  if (line.publishes && ptime !== USUAL_PTIME_MS) text.push(`a=ptime:${ptime}`);
  if (line.levelExtension !== 0) text.push(`a=extmap:${line.levelExtension} ${LEVEL_EXTENSION}`);
  if (line.slot !== null) {
    const ssrc = ssrcs[line.slot];
    const stream = `slot-${line.slot}`;
    text.push(`a=msid:${stream} ${stream}-audio`, `a=ssrc:${ssrc} cname:backend-webrtc`);
    text.push(`a=ssrc:${ssrc} msid:${stream} ${stream}-audio`);
  }
  return text;
}

/** The mid of the one audio line in {@link writeTransportOffer}. */
export const TRANSPORT_MID = '0';

/**
 * The offer as the native library needs to see it: one audio line, whatever the number of slots, and the data line.
 *
 * All m-lines of a bundle share one transport, and the library has a track for each only to sort packets by SSRC, which
 * the worker does better. With a single track every packet comes to one callback and every slot is sent through it: a
 * connection costs one native object and two libuv handles instead of one more of each per slot, and a client that
 * declares no SSRC is understood all the same.
 *
 * The library does not look at payload types: RED (RFC 2198) passes, though only Opus is named here.
 *
 * Candidates are left out on purpose; they are added once the client has the answer.
 */
export function writeTransportOffer(plan: Plan): string {
  const payloadType = plan.publication?.payloadType ?? plan.slots[0]?.payloadType ?? 111;
  const transport = [
    `a=setup:${plan.setup}`,
    `a=ice-ufrag:${plan.ice.ufrag}`,
    `a=ice-pwd:${plan.ice.pwd}`,
    `a=fingerprint:${plan.fingerprints[0]!.hash} ${plan.fingerprints[0]!.value}`,
  ];
  const text = [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${TRANSPORT_MID}${plan.data === null ? '' : ' data'}`,
    `m=audio 9 UDP/TLS/RTP/SAVPF ${payloadType}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${TRANSPORT_MID}`,
    plan.publication === null ? 'a=recvonly' : 'a=sendrecv',
    'a=rtcp-mux',
    `a=rtpmap:${payloadType} opus/48000/2`,
    ...transport,
  ];
  if (plan.data !== null) {
    text.push('m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=mid:data', ...transport);
    text.push(`a=sctp-port:${plan.data.port}`, `a=max-message-size:${plan.data.maxMessageSize}`);
  }
  return `${text.join('\r\n')}\r\n`;
}
