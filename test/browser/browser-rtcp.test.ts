/** Statistics of a browser from the server's reports, and of the server from a browser's. */
import { is, ok } from 'uvu/assert';
import { inChromium, launchBrowser } from '../support/browsers.ts';
import { startGateway } from '../support/gateway.ts';
import { openVoicePage, type RtcpStats, TONES, type VoicePage } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('browser-rtcp');
const NAME = 'chromium: the statistics that rest on RTCP are filled and right, at both ends';
/** A browser reports about every five seconds. */
const SECONDS = 100;

/** Asks a page until its statistics are as wanted. */
function reportsOf(page: VoicePage, wanted: (stats: RtcpStats) => boolean): Promise<RtcpStats> {
  const look = async (): Promise<RtcpStats | null> => {
    const stats = await page.reports();
    return wanted(stats) ? stats : null;
  };
  return until(`the statistics are as wanted: ${wanted}`, look, { interval: 100 });
}

async function compareReports(): Promise<void> {
  const server = await startServer({ STATS_INTERVAL_MS: '1000' });
  const gateway = await startGateway(server.port);
  const browser = await launchBrowser('chromium');
  try {
    const publisher = await openVoicePage(browser, gateway, { user: 'publisher', tone: TONES[0] });
    const listener = await openVoicePage(browser, gateway, { user: 'listener', tone: TONES[1] });
    is((await publisher.connect({ slots: 1 })).code, 1000);
    is((await listener.connect({ slots: 2, listenOnly: true })).code, 1000);
    for (const page of [publisher, listener]) is((await page.join('room')).status, 200);

    const sender = await reportsOf(publisher, ({ remoteInbound }) => remoteInbound?.roundTripTime !== undefined);
    const told = sender.remoteInbound!;
    is(told.ssrc, sender.outbound!.ssrc);
    ok(Math.abs(told.packetsLost) <= 2, `${told.packetsLost} packets lost on loopback`);
    ok(told.fractionLost < 0.05, `fraction ${told.fractionLost}`);
    ok(told.jitter < 0.05, `jitter ${told.jitter} s`);
    ok(told.roundTripTime! >= 0 && told.roundTripTime! < 0.2, `round trip ${told.roundTripTime} s`);
    ok(told.roundTripTimeMeasurements > 0);

    const receiver = await reportsOf(listener, ({ remoteOutbound }) => (remoteOutbound[0]?.reportsSent ?? 0) > 3);
    is(receiver.remoteOutbound.length, 1, 'the slot in use is reported, and no other');
    const sent = receiver.remoteOutbound[0]!;
    const received = receiver.inbound.find(({ ssrc }) => ssrc === sent.ssrc)!;
    // A report is up to two seconds old, which is a hundred packets.
    const since = received.packetsReceived - sent.packetsSent;
    ok(since >= 0 && since <= 130, `${received.packetsReceived} received, ${sent.packetsSent} reported`);
    const [packetBytes, reportedBytes] = [
      received.bytesReceived / received.packetsReceived,
      sent.bytesSent / sent.packetsSent,
    ];
    ok(Math.abs(packetBytes - reportedBytes) < packetBytes / 5, `${packetBytes} and ${reportedBytes} bytes a packet`);
    const age = receiver.now - sent.remoteTimestamp;
    ok(age > -20 && age < 3000, `the report is ${age} ms old`);

    // The listener's own reports reach the server.
    const heard = await server.logged('"msg":"stats"', '"downlinkLoss":{"connections":1,', '"rttMs":{"connections":1,');
    const { rttMs, downlinkLoss } = JSON.parse(heard).quality;
    ok(rttMs.worst < 200, `${rttMs.worst} ms`);
    ok(downlinkLoss.worst < 0.05, `${downlinkLoss.worst} lost`);
  } finally {
    await browser.close();
    await gateway.close();
    await server.stop();
  }
}

inChromium(test, NAME, compareReports, SECONDS);

test.run();
