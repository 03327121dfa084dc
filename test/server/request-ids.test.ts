/** One id leads from a proxy's log through the server's to what the client was told. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, startServer, withRequestId } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const test = scenarios('request id');

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

test('the id of a request is in its lines and in those of its connection, and in what is refused', async () => {
  const server = await startServer({ OFFER_TIMEOUT_MS: '300', MAX_JOINS_PER_SECOND: '1' });
  const { url, adminUrl } = server;
  const ask = (path: string, id: string, method = 'POST'): Promise<Response> =>
    fetch(url + path, { method, ...withRequestId('ann', id) });
  const { closed } = await openSocket(url, 'ann', 'client', withRequestId('ann', 'connect-1'));
  match((await closed).reason, /^no offer in time: .* \[connect-1\]$/);
  is((await ask('/join/attic', 'join-1')).status, 200);
  is((await ask('/join/attic', 'leave-1', 'DELETE')).status, 200);
  const refused = await ask('/join/attic', 'join-2');
  is(refused.status, 429);
  is(((await refused.json()) as { requestid: string }).requestid, 'join-2');
  const unknown = (await (
    await fetch(`${adminUrl}/nowhere`, { headers: { 'X-Request-Id': 'op-1' } })
  ).json()) as object;
  is('requestid' in unknown && unknown.requestid, 'op-1');
  const failed = await openSocket(url, 'ann', 'client', { headers: { 'X-Request-Id': 'connect-2' } }).catch(String);
  match(String(failed), '400');
  is(await server.stop(), 0);
  const lines = server.logs.map((line) => JSON.parse(line) as Line);
  const of = (id: string): string[] => lines.filter(({ request }) => request === id).map(({ msg }) => msg);
  equal(of('connect-1'), ['connection ended']);
  equal([of('join-1'), of('leave-1'), of('join-2')], [['joined'], ['left'], []]);
});

test('without a proxy that gives ids each request gets its own', async () => {
  const server = await startServer();
  const host = new ClientHost();
  const client = await host.connect(server.url, 'ann');
  await fetch(`${server.url}/join/attic`, { method: 'POST', headers: claimHeader('ann') });
  await client.end();
  await server.logged('"msg":"connection ended"');
  is(await server.stop(), 0);
  host.kill();
  const lines = server.logs.map((line) => JSON.parse(line) as Line);
  const life = lines.filter(({ msg }) => msg.startsWith('connection '));
  is(life.length, 3);
  is(new Set(life.map(({ request }) => request)).size, 1, 'one for the whole life of a connection');
  match(String(life[0]!['request']), /^[\w-]{12}$/);
  ok(life[0]!['request'] !== lines.find(({ msg }) => msg === 'joined')!['request']);
});

test.run();
