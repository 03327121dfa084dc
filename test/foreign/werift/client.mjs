/** A werift client for the tests of foreign clients: see test/foreign/README.md for what it reads and writes. */
import { createInterface } from 'node:readline';
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters, RtpHeader, RtpPacket } from 'werift';

const say = (message) => console.log(JSON.stringify(message));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
function fail(error) {
  say({ error: String(error) });
  process.exit(1);
}

const pc = new RTCPeerConnection({
  iceServers: [],
  iceAdditionalHostAddresses: ['127.0.0.1'],
  codecs: {
    audio: [
      new RTCRtpCodecParameters({ mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }),
      new RTCRtpCodecParameters({ mimeType: 'audio/PCMU', clockRate: 8000, channels: 1, payloadType: 0 }),
    ],
    video: [new RTCRtpCodecParameters({ mimeType: 'video/VP8', clockRate: 90_000 })],
  },
});
let received = 0;
let voice;
for (const word of process.argv[2].split(' ')) {
  const [kind, direction] = word.split(':');
  if (kind === 'data') {
    pc.createDataChannel('test');
    continue;
  }
  const sends = direction.startsWith('send');
  const track = sends ? new MediaStreamTrack({ kind: kind === 'video' ? 'video' : 'audio' }) : kind;
  const transceiver = pc.addTransceiver(track, { direction });
  if (kind === 'audio' && sends) voice ??= track;
  transceiver.onTrack.subscribe((incoming) => {
    incoming.onReceiveRtp.subscribe(() => {
      received++;
    });
  });
}
pc.connectionStateChange.subscribe((state) => say({ state }));
await pc.setLocalDescription(await pc.createOffer());
if (pc.iceGatheringState !== 'complete') {
  await pc.iceGatheringStateChange.watch((state) => state === 'complete');
}
say({ offer: pc.localDescription.sdp });

let sequence = 0;
createInterface({ input: process.stdin })
  .on('line', (line) => pc.setRemoteDescription({ type: 'answer', sdp: JSON.parse(line).answer }).catch(fail))
  // The end of the input is the end.
  .on('close', () => process.exit());
setInterval(() => {
  sequence++;
  const header = new RtpHeader({ payloadType: 96, sequenceNumber: sequence, timestamp: sequence * 960, ssrc: 1 });
  voice?.writeRtp(new RtpPacket(header, Buffer.from(`\xf8${'werift'.repeat(8)}`, 'latin1')));
}, 20);
setInterval(() => say({ received }), 250);
