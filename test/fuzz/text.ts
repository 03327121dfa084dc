/** Mutations of texts: characters, tokens, numbers and lines. */
import { below, type Random } from '../support/prng.ts';
import { oneIn, pick } from './target.ts';

/** Characters and tokens that break parsers. */
const EVIL = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\t',
  ' ',
  '"',
  "'",
  '<',
  '{}',
  '%s',
  '%',
  '%00',
  '\\',
  '/',
  ':',
  '=',
  ';',
  ',',
  '\u2028',
  '\u0085',
  '\ufeff',
  '\ud800',
  '\udfff',
  '😀',
  'é',
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  'Infinity',
  'null',
  'undefined',
  'a=evil:1',
  '\r\na=evil:1\r\n',
  '[]',
  '-',
  '..',
  '*',
];
const NUMBERS = [
  '',
  '0',
  '-0',
  '-1',
  '1',
  '007',
  '0x10',
  '1e9',
  '1e999',
  '1.5',
  '64',
  '127',
  '128',
  '255',
  '256',
  '65535',
  '65536',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740993',
  '9'.repeat(40),
];

/** Mutates a text one to four times. */
export function mutateText(random: Random, text: string, others: readonly string[] = []): string {
  let changed = text;
  for (let changes = 1 + below(random, 4); changes > 0 && changed.length > 0; changes--) {
    changed = change(random, changed, others);
  }
  return changed;
}

function change(random: Random, text: string, others: readonly string[]): string {
  const at = below(random, text.length);
  switch (below(random, 8)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + below(random, 40));
    case 1:
      return text.slice(0, at) + pick(random, EVIL) + text.slice(at + below(random, 3));
    case 2:
      return (
        text.slice(0, at) + String.fromCharCode(random() & (oneIn(random, 2) ? 0x7f : 0xffff)) + text.slice(at + 1)
      );
    case 3:
      return oneIn(random, 8)
        ? text.slice(0, at)
        : text.slice(0, at) + text.slice(at, at + below(random, 60)).repeat(2) + text.slice(at);
    case 4: {
      const every = 1 + below(random, 20);
      return text.replace(/\d+/g, (digits) => (oneIn(random, every) ? pick(random, NUMBERS) : digits));
    }
    case 5:
      return swapTokens(random, text);
    default:
      return changeLine(random, text, others);
  }
}

function swapTokens(random: Random, text: string): string {
  const tokens = text.split(/([\s:=;,/&?]+)/);
  const [one, other] = [below(random, tokens.length), below(random, tokens.length)];
  [tokens[one], tokens[other]] = [tokens[other]!, tokens[one]!];
  return tokens.join('');
}

function changeLine(random: Random, text: string, others: readonly string[]): string {
  const lines = text.split('\r\n');
  const at = below(random, lines.length);
  switch (below(random, 7)) {
    case 0:
      lines.splice(at, 1 + below(random, 3));
      break;
    case 1:
      lines.splice(at, 0, pick(random, lines));
      break;
    case 2: {
      const other = below(random, lines.length);
      [lines[at], lines[other]] = [lines[other]!, lines[at]!];
      break;
    }
    case 3:
      lines[at] = lines[at]!.replace(/[:= ].*/, (rest) => rest[0]! + pick(random, [...EVIL, ...NUMBERS]));
      break;
    case 4:
      // One very long line, or many equal ones.
      if (oneIn(random, 4)) lines[at] = lines[at]! + pick(random, EVIL).repeat(below(random, 3000));
      else lines.splice(at, 0, ...Array.from({ length: below(random, 200) }, () => lines[at]!));
      break;
    case 5:
      if (others.length > 0) {
        const spliced = pick(random, others).split('\r\n');
        const from = below(random, spliced.length);
        lines.splice(at, below(random, 20), ...spliced.slice(from, from + below(random, 30)));
      }
      break;
    default:
      if (others.length > 0) lines[at] = pick(random, pick(random, others).split('\r\n'));
  }
  return lines.join(oneIn(random, 50) ? '\n' : '\r\n');
}
