/**
 * The lines that answers and transport offers may have: what reaches a client or the native library is nothing else.
 */
import { ok } from 'uvu/assert';
import type { LocalTransport } from '../../src/main/sdp/transport.ts';

/** The server's end of a transport, as the native library reports it. */
export const LOCAL: LocalTransport = {
  ufrag: 'SrvU',
  pwd: 'serverPasswordOf22Char',
  fingerprint: `sha-256 ${Array.from({ length: 32 }, () => 'A7').join(':')}`,
  setup: 'active',
  candidates: [
    'candidate:1 1 UDP 2114977791 127.0.0.1 40000 typ host',
    'candidate:2 1 UDP 1678767871 198.51.100.9 40000 typ srflx raddr 0.0.0.0 rport 0',
  ],
};

const MID = String.raw`[\w!#$%&'*+.^\`{|}~-]{1,64}`;
const PAYLOAD_TYPE = '(?:\\d|[1-5]\\d|6[0-3]|9[6-9]|1[01]\\d|12[0-7])';
const PORT = '(?:[1-9]\\d{0,4})';
const SSRC = '[1-9]\\d{0,9}';
const CANDIDATE = String.raw`candidate:\w+ 1 UDP \d+ [\da-fA-F:.]+ ${PORT} typ (?:host|srflx raddr 0\.0\.0\.0 rport 0)`;
const FINGERPRINT = 'sha-(?:1|224|256|384|512) (?:[0-9A-Fa-f]{2}:){19,63}[0-9A-Fa-f]{2}';

const SESSION = ['v=0', 's=-', 't=0 0', `a=group:BUNDLE ${MID}(?: ${MID})*`, 'c=IN IP4 0\\.0\\.0\\.0', `a=mid:${MID}`];
const AUDIO = ['a=rtcp-mux', `a=rtpmap:${PAYLOAD_TYPE} opus/48000/2`];

/** Every line that an answer may have. */
const ANSWER = anyOf([
  ...SESSION,
  ...AUDIO,
  'o=backend-webrtc \\d{1,15} 1 IN IP4 127\\.0\\.0\\.1',
  'a=msid-semantic: WMS \\*',
  'a=ice-options:ice2',
  `m=audio 9 (?:(?:UDP|TCP)/TLS/RTP/SAVPF|RTP/SAVPF) ${PAYLOAD_TYPE}(?: ${PAYLOAD_TYPE})?`,
  'm=application 9 (?:UDP|TCP)/DTLS/SCTP webrtc-datachannel',
  `m=${MID} 0 [\\w/]{1,32} [\\w.-]{1,64}`,
  `m=${MID} 9 (?:(?:UDP|TCP)/TLS/RTP/SAVPF|RTP/SAVPF) [\\w.-]{1,64}`,
  'a=rtpmap:\\d{1,3} [\\w.+-]{1,32}/[1-9]\\d{0,6}(?:/[1-9]\\d?)?',
  'a=(?:sendrecv|sendonly|recvonly|inactive)',
  `a=fmtp:${PAYLOAD_TYPE} minptime=10;useinbandfec=1;usedtx=1`,
  `a=rtpmap:${PAYLOAD_TYPE} red/48000/2`,
  `a=fmtp:${PAYLOAD_TYPE} ${PAYLOAD_TYPE}/${PAYLOAD_TYPE}`,
  'a=extmap:(?:[1-9]|1[0-4]) urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'a=msid:slot-\\d+ slot-\\d+-audio',
  `a=ssrc:${SSRC} (?:cname:backend-webrtc|msid:slot-\\d+ slot-\\d+-audio)`,
  'a=sctp-port:5000',
  'a=max-message-size:262144',
  `a=setup:${LOCAL.setup}`,
  `a=ice-ufrag:${LOCAL.ufrag}`,
  `a=ice-pwd:${LOCAL.pwd}`,
  `a=fingerprint:${LOCAL.fingerprint}`,
  `a=${CANDIDATE}`,
  'a=end-of-candidates',
]);

/** Every line that the offer for the native library may have. */
const TRANSPORT_OFFER = anyOf([
  ...SESSION,
  ...AUDIO,
  'o=- 1 1 IN IP4 127\\.0\\.0\\.1',
  `m=audio 9 UDP/TLS/RTP/SAVPF ${PAYLOAD_TYPE}`,
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'a=(?:sendrecv|recvonly)',
  'a=setup:(?:actpass|active|passive)',
  'a=ice-ufrag:[A-Za-z0-9+/]{4,256}',
  'a=ice-pwd:[A-Za-z0-9+/]{22,256}',
  `a=fingerprint:${FINGERPRINT}`,
  `a=sctp-port:${PORT}`,
  'a=max-message-size:\\d{1,16}',
]);

function anyOf(lines: readonly string[]): RegExp {
  return new RegExp(`^(?:${lines.join('|')})$`);
}

/** Fails unless the text consists of lines of an answer, each ended by CRLF. */
export function isCleanAnswer(text: string): void {
  isMadeOf(text, ANSWER);
}

/** Fails unless the text consists of lines of an offer for the native library, each ended by CRLF. */
export function isCleanTransportOffer(text: string): void {
  isMadeOf(text, TRANSPORT_OFFER);
}

function isMadeOf(text: string, allowed: RegExp): void {
  const lines = text.split('\r\n');
  ok(lines.pop() === '', 'the last line ends with CRLF too');
  for (const line of lines) ok(allowed.test(line), `not a line that may be written: ${JSON.stringify(line)}`);
}
