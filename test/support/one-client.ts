/**
 * Runs one WebRTC client: `url userid port talks relay`. It prints how its websocket was closed, and stays connected.
 */
import { WebrtcClient } from './webrtc.ts';

const [url, userid, port, talks, relay] = process.argv.slice(2) as [string, string, string, string, string];
const SSRC = 4711;
const client = new WebrtcClient({
  url,
  claim: { userid, clientid: 'client' },
  slots: 1,
  publishes: true,
  payloadType: 111,
  ssrc: SSRC,
  data: true,
  relay: relay === '0' ? null : Number(relay),
  ...(port === '0' ? {} : { ports: [Number(port), Number(port)] as const }),
});
const begun = performance.now();
await client.connect();
console.log(JSON.stringify({ ...client.close, took: Math.round(performance.now() - begun) }));
const packet = Buffer.alloc(40);
packet.writeUInt16BE(0x806f, 0);
packet.writeUInt32BE(SSRC, 8);
let sent = 0;
setInterval(() => {
  if (talks === '0') return;
  packet.writeUInt16BE(sent & 0xffff, 2);
  packet.writeUInt32BE((sent++ * 960) >>> 0, 4);
  client.send(packet);
}, 20);
setTimeout(() => process.exit(0), 60_000);
