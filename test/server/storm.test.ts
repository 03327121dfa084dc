import { readdirSync } from 'node:fs';
import { equal, is } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('storm');
const CLIENTS = 200;
const AT_A_TIME = 32;

function figures(server: RunningServer): { connections: number; users: number; conversations: number } | undefined {
  const line = server.logs.findLast((text) => text.includes('"msg":"stats"'));
  if (line === undefined) return undefined;
  const { connections, users, conversations } = JSON.parse(line);
  return { connections, users, conversations };
}

test(`${CLIENTS} clients, ${AT_A_TIME} at a time, all connect, and leave nothing behind`, async () => {
  const server = await startServer({ STATS_INTERVAL_MS: '200', MEMBERSHIP_TIMEOUT_MS: '100' });
  const host = new ClientHost();
  const descriptors = (): number => readdirSync(`/proc/${server.process.pid}/fd`).length;
  // With the first connection the library opens descriptors that it keeps.
  await (await host.connect(server.url, 'first')).end();
  const before = descriptors();
  const codes: number[] = [];
  let next = 0;
  const connectSome = async (): Promise<void> => {
    while (next < CLIENTS) {
      const client = await host.connect(server.url, `user${next++}`, { slots: 3 });
      codes.push(client.close.code);
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, connectSome));
  equal(codes, Array(CLIENTS).fill(1000));
  await until('no connection is left', () => figures(server)?.connections === 0);
  equal(figures(server), { connections: 0, users: 0, conversations: 0 });
  await until('no descriptor is left', () => descriptors() <= before);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
    'no error was logged',
  );
  is(await server.stop(), 0);
  host.kill();
}, 60);

test.run();
