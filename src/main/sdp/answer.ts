/** Writes the two texts that follow from a plan: the client's answer, and the offer for the native library. Pure. */
import { LEVEL_EXTENSION, type Plan, type PlannedLine } from './plan.ts';
import type { LocalTransport } from './transport.ts';

const OPUS_PARAMETERS = 'minptime=10;useinbandfec=1;usedtx=1';
/** Longest message that libdatachannel accepts, bytes; it splits none. */
const MAX_MESSAGE_BYTES = 262_144;
const SCTP_PORT = 5000;

/** The outgoing SSRC of each slot, unsigned, in the order of `Plan.slots`. */
export type SlotSsrcs = readonly number[];

/** Milliseconds of audio that browsers put into a packet by default. */
const USUAL_PTIME_MS = 20;

/**
 * Writes the answer (RFC 3264, RFC 8829). It has every m-line of the offer in its place, the refused ones with port 0,
 * and all candidates in the first line of the bundle. Each slot has one fixed SSRC and a media stream of its own, so
 * that a browser shows every slot as a stream.
 *
 * @param ptime milliseconds of audio that the client should put into a packet (RFC 8866, section 6.4).
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
 * Writes a refused line: it has port 0, and its content means nothing (RFC 3264, section 6). But pion, str0m, aiortc,
 * GStreamer, webrtc-rs and werift look for the usual attributes in it, and reject the whole answer if one is missing.
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
  // A browser sends the first format. The server chooses for each packet what it sends.
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
 * Writes the offer for the native library: one audio line, whatever the number of slots, and the data line.
 *
 * All m-lines of a bundle share one transport. The library has a track for each line only to sort packets by SSRC,
 * which the worker does better. With a single track, one callback receives every packet, and all slots are sent through
 * it: a connection costs one native object and two libuv handles instead of one more of each per slot, and clients that
 * declare no SSRC work too.
 *
 * The library ignores payload types, so RED (RFC 2198) passes although this offer has only Opus.
 *
 * The offer has no candidates: they are added once the client has the answer.
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
