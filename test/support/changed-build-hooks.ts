/** Changes modules while they are loaded: see `changed-build.ts`. */
import type { LoadFnOutput, LoadHook } from 'node:module';

/** A text of the compiled module, and what it becomes. */
type Change = readonly [path: string, from: string, to: string];

const VERSION: Change = [
  'cluster/identity.js',
  "= JSON.parse(readFileSync(PACKAGE, 'utf8'))",
  "= { version: '99.0.0' }",
];

/** Each object, but none of the lists, gets another member. */
const GROW = `
const grow = (value) => Array.isArray(value) ? value.map(grow)
  : typeof value !== 'object' || value === null ? value
  : { ...Object.fromEntries(Object.entries(value).map(([name, one]) => [name, grow(one)])), later: { than: ['this'] } };
`;

/** After each message another one, of a type that this build does not know, goes out on the same subject. */
const UNKNOWN = `
const unknown = (subject, data) => {
  if (!/^sfu\\.(?:beat|conversation|instance|media)/.test(subject)) return null;
  if (/^sfu\\.media/.test(subject)) return Buffer.concat([Buffer.from([1, 9]), data.subarray(2, 8), Buffer.from('later')]);
  return Buffer.from(JSON.stringify({ v: 1, type: 'reaction', conversation: 'room', from: 'ffffffffffff', of: 'later' }));
};
`;
const PUBLISH = 'this.connection.publish(subject, data);';

const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  compatible: [
    VERSION,
    [
      'cluster/messages/read.js',
      'JSON.stringify({ v: MESSAGE_VERSION, ...message })',
      'JSON.stringify(grow({ v: MESSAGE_VERSION, ...message }))',
    ],
    ['cluster/messages/read.js', 'export const MESSAGE_VERSION', `${GROW}export const MESSAGE_VERSION`],
    [
      'cluster/link.js',
      PUBLISH,
      `${PUBLISH} { const more = unknown(subject, data); if (more) this.connection.publish(subject, more); }`,
    ],
    ['cluster/link.js', 'export class Link', `${UNKNOWN}export class Link`],
  ],
  incompatible: [
    VERSION,
    ['cluster/messages/read.js', 'MESSAGE_VERSION = 1', 'MESSAGE_VERSION = 2'],
    ['cluster/relay/wire.js', 'VERSION = 1', 'VERSION = 2'],
    ['cluster/records.js', '}_users`', '}_users_2`'],
  ],
  'relay-fault': [
    [
      'cluster/relay/outgoing.js',
      'packet(publisher, bytes, stamp) {',
      'packets = 0; packet(publisher, bytes, stamp) { if (++this.packets === 100) throw new Error("a fault");',
    ],
  ],
};

const changes = CHANGES[process.env['CHANGED_BUILD'] ?? ''] ?? [];

export const load: LoadHook = async (url, context, next) => changed(url, await next(url, context));

/** Returns a module as the other build has it. @throws Error if this build has changed so much that it has no such text. */
export function changed(url: string, loaded: LoadFnOutput): LoadFnOutput {
  const mine = changes.filter(([path]) => url.endsWith(`/src/main/${path}`));
  if (mine.length === 0) return loaded;
  let text = String(loaded.source instanceof Uint8Array ? Buffer.from(loaded.source) : loaded.source);
  for (const [path, from, to] of mine) {
    if (!text.includes(from)) throw new Error(`${path} has no "${from}" any more`);
    text = text.replace(from, () => to);
  }
  return { ...loaded, source: text };
}
