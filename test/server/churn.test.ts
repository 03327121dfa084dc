/**
 * Clients that come and vanish without a goodbye, so that newcomers get addresses and ports whose last owners the ICE
 * library still knows. `CHURN=1600` tries that many, from ports that the system chooses.
 */
import { equal, is } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';

const test = scenarios('churn');
const GIVEN = Number(process.env['CHURN'] ?? 0);
const COUNT = GIVEN || 48;
const AT_A_TIME = 8;
/** UDP ports of the clients: each is used again several times while its last owner is a ghost. */
const PORTS = 20;
/** Clients in each process. */
const CLIENTS_OF_A_HOST = 400;

for (const mediaPorts of [1, 4]) {
  test(
    `${COUNT} clients that vanish one after the other all connect over ${mediaPorts} media port(s)`,
    async () => {
      const first = await freeUdpPort();
      const server = await startServer({ MEDIA_PORTS: `${first}-${first + mediaPorts - 1}` });
      const ends = new Map<string, number>();
      let slowest = 0;
      for (let from = 0; from < COUNT; from += CLIENTS_OF_A_HOST) {
        const host = new ClientHost();
        let next = from;
        const some = async (): Promise<void> => {
          while (next < Math.min(COUNT, from + CLIENTS_OF_A_HOST)) {
            const options = GIVEN === 0 ? { ports: [first + 10, first + 9 + PORTS] as const } : {};
            const begun = performance.now();
            // Without a data channel the library sends no goodbye.
            const client = await host.connect(server.url, `user ${next++}`, { data: false, keeps: false, ...options });
            slowest = Math.max(slowest, performance.now() - begun);
            const end = `${client.close.code} ${client.close.reason}`;
            ends.set(end, (ends.get(end) ?? 0) + 1);
            await client.end();
          }
        };
        await Promise.all(Array.from({ length: AT_A_TIME }, some));
        host.kill();
      }
      console.log(`${mediaPorts} media port(s): ${JSON.stringify([...ends])}, ${Math.round(slowest)} ms at most`);
      equal([...ends], [['1000 connected', COUNT]]);
      is(await server.stop(), 0);
    },
    Math.max(60, COUNT),
  );
}

test.run();
