/** The documents of HTTP: every route and every problem, and nothing that does not hold together. */
import { equal, is, ok } from 'uvu/assert';
import { openApiFiles } from '../../../client/openapi.ts';
import { Problem } from '../../../src/main/errors.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('openapi');

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly security: readonly Record<string, unknown>[];
  readonly responses: Record<
    string,
    { readonly description: string; readonly content?: Record<string, { schema?: { $ref: string } }> }
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: object; readonly securitySchemes: object };
}

const documents = [...openApiFiles().values()].map((text) => JSON.parse(text) as Document);
const operations = documents.flatMap((document) =>
  Object.entries(document.paths).flatMap(([path, all]) =>
    Object.entries(all).map(([method, operation]) => ({ document, path, method, operation })),
  ),
);

test('each operation says what it does, what it takes, and how it ends', () => {
  ok(operations.length >= 18, `${operations.length}`);
  for (const { document, path, method, operation } of operations) {
    is(document.openapi, '3.1.0');
    ok(operation.summary !== '' && /^(get|post|delete)$/.test(method), path);
    const taken = (operation.parameters ?? []).filter((one) => one.in === 'path').map(({ name }) => name);
    equal(
      taken,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
    );
    for (const scheme of operation.security.flatMap(Object.keys)) ok(scheme in document.components.securitySchemes);
    ok(
      ['101', '200'].some((status) => status in operation.responses),
      path,
    );
    for (const { description, content = {} } of Object.values(operation.responses)) {
      ok(description !== '');
      for (const { schema } of Object.values(content)) {
        if (schema !== undefined) ok(schema.$ref.split('/').at(-1)! in document.components.schemas);
      }
    }
  }
});

test('each problem that a route may have is there; two are of what is no route', () => {
  const told = operations.flatMap(({ operation }) =>
    Object.values(operation.responses).map(({ description }) => description),
  );
  const missing = Object.values(Problem).filter(({ title }) => !told.some((text) => text.includes(title)));
  equal(
    missing.map(({ title }) => title),
    ['Method not allowed'],
  );
});

test('whoever acts on the operators’ listener needs a token, and whoever looks does not', () => {
  const secured = operations.filter(({ operation }) => operation.security.some((one) => 'operator' in one));
  equal(secured.map(({ path }) => path.split('/').at(-1)).sort(), [
    'kick',
    'listen',
    'mute',
    'speak',
    'tap',
    'unban',
    'unmute',
  ]);
});

test.run();
