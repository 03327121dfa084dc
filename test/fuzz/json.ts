/** Mutations of JSON messages: values, members, structure, text and bytes. Everything that a parser may trip over. */
import { below, type Random } from '../support/prng.ts';
import { oneIn, pick } from './target.ts';
import { mutateText } from './text.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Values where something else is expected. The numbers include the ends of ranges. */
const STRANGE: readonly Json[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  2,
  -1,
  0.5,
  254,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e308,
  '',
  '0',
  'beat',
  'x'.repeat(300),
  '__proto__',
  'constructor',
  '\ud800',
  '\u0000',
  '😀'.repeat(128),
  'ffffffffffff',
  '000000000000',
  [],
  {},
  [[]],
  [null],
  { length: 3 },
];
const NAMES = ['__proto__', 'constructor', 'toString', 'v', 'type', 'from', 'seq', '', 'hasOwnProperty', 'then'];
/** Most levels of a deep value, and most elements of a long one. */
const DEPTH = 20_000;
const LENGTH = 3000;

/** Returns a message as bytes, changed in up to three ways; sometimes as it is. */
export function hostileJson(random: Random, message: object): Uint8Array {
  let value = message as Json;
  let changes = below(random, 4);
  while (changes > 0 && !oneIn(random, 4)) {
    value = twist(random, value);
    changes--;
  }
  let text = JSON.stringify(value) ?? '';
  if (oneIn(random, 12)) text = withName(random, text);
  if (oneIn(random, 10)) text = mutateText(random, text);
  if (oneIn(random, 200)) text = deep(random, text);
  const bytes = Buffer.from(text);
  return oneIn(random, 10) ? spoil(random, bytes) : bytes;
}

/** Changes one value somewhere in another. */
function twist(random: Random, value: Json): Json {
  if (typeof value !== 'object' || value === null || oneIn(random, 12)) return strange(random, value);
  if (Array.isArray(value)) return twistList(random, value);
  const members = Object.entries(value);
  if (members.length === 0) return strange(random, value);
  const at = below(random, members.length);
  const [name, old] = members[at]!;
  switch (below(random, 8)) {
    case 0:
      return Object.fromEntries(members.filter((_, i) => i !== at));
    case 1:
      return { ...value, [pick(random, NAMES)]: old };
    default:
      return { ...value, [name]: twist(random, old) };
  }
}

function twistList(random: Random, list: readonly Json[]): Json {
  const at = below(random, list.length + 1);
  switch (below(random, 6)) {
    case 0:
      return [...list.slice(0, at), ...list.slice(at + 1)];
    case 1:
      return [...list, ...list];
    case 2:
      return list.length > 0 && oneIn(random, 8) ? Array.from({ length: below(random, LENGTH) }, () => list[0]!) : list;
    case 3:
      return [...list].reverse();
    default:
      return list.length === 0 ? [strange(random, null)] : list.map((one, i) => (i === at ? twist(random, one) : one));
  }
}

/** Returns another value, often one of the same kind. */
function strange(random: Random, value: Json): Json {
  if (typeof value === 'number' && random() % 2 === 0) return value + below(random, 7) - 3;
  if (typeof value === 'boolean' && random() % 2 === 0) return !value;
  if (typeof value === 'string' && random() % 2 === 0) return value.slice(0, below(random, value.length + 1));
  return pick(random, STRANGE);
}

/** Adds a member whose name means something to JavaScript, which an object in source text would not keep. */
function withName(random: Random, text: string): string {
  const member = `"${pick(random, NAMES)}":${JSON.stringify(pick(random, STRANGE))}`;
  return text.replace(/\{/, (brace) => `${brace}${member}${text.length > 2 ? ',' : ''}`);
}

/** Puts one value deep into lists or objects. */
function deep(random: Random, text: string): string {
  const levels = below(random, DEPTH);
  const [open, close] = oneIn(random, 2) ? ['[', ']'] : ['{"v":', '}'];
  const nested = `${open.repeat(levels)}1${close.repeat(oneIn(random, 4) ? 0 : levels)}`;
  return oneIn(random, 2) ? nested : text.replace(/:[^,:{[]+/, `:${nested}`);
}

/** Breaks bytes: wrong UTF-8, cut off, or with something behind. */
function spoil(random: Random, bytes: Buffer): Uint8Array {
  switch (below(random, 4)) {
    case 0:
      return bytes.subarray(0, below(random, bytes.length + 1));
    case 1:
      return Buffer.concat([bytes, Buffer.from([pick(random, [0, 0x20, 0x7d, 0x80, 0xff])])]);
    case 2:
      return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    default: {
      const broken = Buffer.from(bytes);
      for (let i = 1 + below(random, 4); i > 0 && broken.length > 0; i--) {
        broken[below(random, broken.length)] = pick(random, [0, 0x80, 0xc0, 0xed, 0xf5, 0xff, random() & 0xff]);
      }
      return broken;
    }
  }
}
