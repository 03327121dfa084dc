/** A real server whose media socket overflows. */
import { createSocket } from 'node:dgram';
import { is, match, ok } from 'uvu/assert';
import { scrape } from '../support/metrics.ts';
import { alertRules } from '../support/promtool.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('full media sockets');
const METRIC = 'sfu_socket_drops_total';
/** More than any buffer holds that libjuice asks for: 1 MiB, which the kernel doubles. */
const FLOOD = 20_000;
const DATAGRAM = Buffer.alloc(200, 0xff);
/** Sent at a time, so that the sender's own buffer does not overflow. */
const CHUNK = 200;

test('what the kernel drops because a media socket is full is counted, and an alert looks at it', async () => {
  const port = await freeUdpPort();
  const server = await startServer({ MEDIA_PORTS: String(port), STATS_INTERVAL_MS: '200' });
  const socket = createSocket('udp4');
  try {
    is((await scrape(server.adminUrl)).value(METRIC), 0);
    // A machine without CPU for the server looks like this.
    server.process.kill('SIGSTOP');
    for (let sent = 0; sent < FLOOD; sent += CHUNK) {
      await Promise.all(Array.from({ length: CHUNK }, () => send(socket, port)));
    }
    server.process.kill('SIGCONT');
    const drops = await until('the drops are counted', async () => {
      const count = (await scrape(server.adminUrl)).value(METRIC) ?? 0;
      return count > 0 ? count : null;
    });
    ok(drops < FLOOD, `${drops} of ${FLOOD}`);
    match(await server.logged('"msg":"stats"', `"socketDrops":${drops}`), /socketDrops/);
    ok(
      alertRules().some(({ expr }) => expr.includes(METRIC)),
      'an alert',
    );
    is(await server.stop(), 0);
  } finally {
    socket.close();
    server.process.kill('SIGKILL');
  }
});

function send(socket: ReturnType<typeof createSocket>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(DATAGRAM, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
  });
}

test.run();
