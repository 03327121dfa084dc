/** What the browser client is shipped as, and what its documents say of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { equal, is, ok } from 'uvu/assert';
import { packageFiles, sizesOf } from '../../../client/build.ts';
import { schemaFiles } from '../../../client/schema.ts';
import { Close } from '../../../src/main/errors.ts';
import { EVENT_TYPES, REQUEST_TYPES, readEvents, readRequest } from '../../../src/main/events/schema.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client package');
const read = (name: string): string => readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
const README = read('client/README.md');
const PROTOCOL = read('docs/protocol.md');

test('it is one small module without imports, and every script has the size that is stated', async () => {
  const files = await packageFiles();
  const bundle = files['client.js']!;
  ok(sizesOf(bundle).gzipped < 18 * 1024, `${sizesOf(bundle).gzipped}`);
  const rows = [...README.matchAll(/^\| `([\w.-]+\.js)` \| (\d+) \| (\d+) \|/gm)];
  equal(rows.map(([, name]) => name).sort(), Object.keys(files).sort());
  for (const [, name, bytes, gzipped] of rows) {
    const found = sizesOf(files[name!]!);
    for (const [stated, size] of [
      [Number(bytes), found.bytes],
      [Number(gzipped), found.gzipped],
    ] as const) {
      ok(Math.abs(stated - size) <= size / 50, `${name}: stated ${stated}, found ${size}`);
    }
  }
  const code = Buffer.from(bundle).toString();
  equal(code.match(/\bimport\b[^;,)]*\)?/g), ['import("./encryption.js")'], 'only what encryption needs, later');
  const module: object = await import(`data:text/javascript;base64,${Buffer.from(bundle).toString('base64')}`);
  equal(Object.keys(module).sort(), [
    ...['VoiceClient', 'VoiceError', 'connect', 'isSupported', 'previewMicrophone', 'whyUnsupported'],
  ]);
});

test('it depends on nothing', () => {
  const { dependencies, exports } = JSON.parse(read('client/package.json'));
  is(dependencies, undefined);
  const talk = { types: './dist/types/push-to-talk.d.ts', default: './dist/push-to-talk.js' };
  equal(exports['./push-to-talk.js'], talk);
  equal(exports['./react'], { types: './dist/types/react.d.ts', default: './dist/react.js' });
  equal(exports['.'], { types: './dist/types/index.d.ts', default: './dist/client.js' });
  for (const name of readdirSync(new URL('../../../../client/src', import.meta.url))) {
    for (const [, from] of read(`client/src/${name}`).matchAll(/^(?:import|export|\}).* from '([^']+)'/gm)) {
      if (name === 'react.ts' && from === 'react') continue;
      ok(/^\.\/[\w-]+\.ts$/.test(from!), `${name} imports ${from}`);
    }
  }
});

test('every option, method, property and event is in its README', () => {
  const types = read('client/src/types.ts');
  const members = (name: string): string[] => {
    const body = new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(types)?.[1] ?? '';
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map((match) => match[1]!);
  };
  const source = ['client', 'controls', 'view'].map((name) => read(`client/src/${name}.ts`)).join('\n');
  const methods = [...source.matchAll(/^ {2}(?:async )?(?:get )?(?!private|protected|constructor|connect\b)(\w+)\(/gm)];
  const names = [...members('ClientOptions'), ...members('ClientEvents'), ...methods.map((match) => match[1]!)];
  ok(names.length > 50, `${names.length}`);
  for (const name of names) ok(new RegExp(`\`${name}[\`(]`).test(README), name);
  for (const name of members('ClientEvents')) ok(README.includes(`| \`${name}\` |`), name);
});

test('every error code and everything of the hook is in its README', () => {
  const body = (file: string, start: string, end: string): string => read(file).split(start)[1]!.split(end)[0]!;
  const errors = body('client/src/errors.ts', 'type VoiceErrorCode =', ';');
  const codes = [...errors.matchAll(/'([\w-]+)'/g)].map((match) => match[1]!);
  ok(codes.length > 15, `${codes.length}`);
  const rows = README.split('## Errors')[1]!.split('\n## ')[0]!;
  for (const code of codes) ok(new RegExp(`^\\|[^|]*\`${code}\``, 'm').test(rows), code);
  const hook = README.split('### React')[1]!.split('\n## ')[0]!;
  const members = [...body('client/src/react.ts', 'interface Voice {', '\n}').matchAll(/^ {2}readonly (\w+):/gm)];
  ok(members.length > 10);
  for (const [, name] of members) ok(hook.includes(`\`${name}\``), name);
});

test('the JSON schemas are those of the validators: npm run build:schema', () => {
  const files = schemaFiles();
  equal(readdirSync(new URL('../../../../docs/schema', import.meta.url)).sort(), [...files.keys()].sort());
  for (const [name, text] of files) is(read(`docs/schema/${name}`), text, name);
});

test('the protocol’s document has every close code, event and request, each one valid', () => {
  for (const { code, reason } of Object.values(Close)) ok(PROTOCOL.includes(`| ${code} | ${reason} |`), reason);
  const [events, requests] = [...PROTOCOL.matchAll(/```json\n([\s\S]*?)```/g)].map((match) =>
    match[1]!.split(/\n(?=\{)/).map((text) => text.trim()),
  );
  const types = (texts: readonly string[]): string[] => texts.map((text) => JSON.parse(text).type).sort();
  equal(types(events!), [...EVENT_TYPES].sort());
  equal(types(requests!), [...REQUEST_TYPES].sort());
  for (const text of events!) is(readEvents(text)[0]!.bad, null, text);
  for (const text of requests!) is(readRequest(text).bad, null, text);
});

test.run();
