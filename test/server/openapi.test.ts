/** Asks a real server for each operation of its OpenAPI documents, in order and out of order, and compares the answers. */
import { request } from 'undici';
import { equal, is, ok } from 'uvu/assert';
import { openApiFiles } from '../../client/openapi.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';

const test = scenarios('openapi with a server');

interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly responses: Record<string, { readonly description: string; readonly content?: object }>;
}

function operationsIn(file: string): Operation[] {
  const { paths } = JSON.parse(openApiFiles().get(file)!) as {
    paths: Record<string, Record<string, Pick<Operation, 'responses'>>>;
  };
  return Object.entries(paths).flatMap(([path, all]) =>
    Object.entries(all).map(([method, { responses }]) => ({
      method: method.toUpperCase() as Operation['method'],
      path,
      responses,
    })),
  );
}

/** Sends what the operation describes. @returns the status, after the check that it is among those described. */
async function ask(
  base: string,
  { method, path, responses }: Operation,
  names: Readonly<Record<string, string>>,
  headers: Record<string, string> = {},
): Promise<number> {
  const url = `${base}${path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? 'x'))}`;
  const answer = await request(url, { method, headers });
  const body = await answer.body.text();
  const described = responses[String(answer.statusCode)];
  ok(described !== undefined, `${method} ${url} answers ${answer.statusCode}, which is not described: ${body}`);
  const type = String(answer.headers['content-type'] ?? '').split(';')[0]!;
  if (described.content !== undefined) ok(Object.keys(described.content).includes(type), `${method} ${path}: ${type}`);
  if (type === 'application/problem+json') ok(described.description.includes(JSON.parse(body).title), body);
  return answer.statusCode;
}

async function during(body: (server: RunningServer) => Promise<void>): Promise<void> {
  const server = await startServer();
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

test('clients: with a claim, without one, and with a bad id', () =>
  during(async ({ url }) => {
    const all = operationsIn('openapi.json');
    const statuses = async (names: Record<string, string>, headers: Record<string, string> = {}): Promise<unknown> => {
      const found: string[] = [];
      for (const one of all) found.push(`${one.method} ${one.path} ${await ask(url, one, names, headers)}`);
      return found;
    };
    equal(await statuses({ conversationid: 'attic' }, claimHeader('ann')), [
      'GET /connect 426',
      'GET /ice 200',
      'POST /join/{conversationid} 200',
      'DELETE /join/{conversationid} 200',
    ]);
    equal(
      await statuses({ conversationid: 'attic' }),
      all.map(({ method, path }) => `${method} ${path} 400`),
    );
    const [, , join, leave] = all;
    is(await ask(url, join!, { conversationid: 'x'.repeat(300) }, claimHeader('ann')), 400);
    is(await ask(url, leave!, { conversationid: '\u0007' }, claimHeader('ann')), 400);
  }));

test('operators: about somebody who is there, and about nobody', () =>
  during(async ({ url, adminUrl }) => {
    const all = operationsIn('openapi-operators.json');
    const join = await request(`${url}/join/attic`, { method: 'POST', headers: claimHeader('ann') });
    await join.body.text();
    const statusOf = async (names: Record<string, string>): Promise<Record<string, number>> => {
      const found: Record<string, number> = {};
      // Whoever was kicked is not there any more.
      for (const one of [...all].sort((a, b) => Number(a.path.endsWith('kick')) - Number(b.path.endsWith('kick')))) {
        found[`${one.method} ${one.path}`] = await ask(adminUrl, one, names);
      }
      return found;
    };
    const there = await statusOf({ id: 'attic', userid: 'ann' });
    const special = { 'GET /cluster': 404, 'GET /conversations/{id}/tap': 426 };
    const unban = 'POST /conversations/{id}/users/{userid}/unban';
    for (const [key, status] of Object.entries(there)) {
      is(status, key === unban ? 404 : (special[key as keyof typeof special] ?? 200), key);
    }
    const nobody = await statusOf({ id: 'cellar', userid: 'zoe' });
    for (const [key, status] of Object.entries(nobody)) {
      if (key.startsWith('POST') || key.includes('{')) ok(status === 404 || status === 426, `${key} ${status}`);
    }
  }));

test.run();
