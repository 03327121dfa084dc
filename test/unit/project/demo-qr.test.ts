/** The QR code on the terminal, as a camera sees it. */
import { equal, is, match, ok } from 'uvu/assert';
import { QUIET, qrLines } from '../../../demo/qr-text.ts';
import { readModules } from '../../support/qr.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('demo qr');
const URLS = [
  'https://192.168.1.20:8443/?room=lobby',
  'https://[fd12:3456:789a::20]:8443/?room=lobby',
  `https://10.0.0.1:65535/?room=${'%E4%B8%AD'.repeat(256)}`,
];
/** Which halves of a character are dark. */
const HALVES: Readonly<Record<string, readonly [boolean, boolean]>> = {
  ' ': [false, false],
  '▀': [true, false],
  '▄': [false, true],
  '█': [true, true],
};

const [BEFORE, AFTER] = ['\u001b[38;5;16;48;5;231m', '\u001b[0m'] as const;

/** Returns the characters of each line without the colours around them. */
function charactersOf(lines: readonly string[]): string[][] {
  return lines.map((line) => {
    ok(line.startsWith(BEFORE) && line.endsWith(AFTER), 'black on white, and the terminal’s own colours after it');
    return [...line.slice(BEFORE.length, -AFTER.length)];
  });
}

test('it leads to the URL, also to one with a long room', () => {
  for (const url of URLS) {
    const rows = charactersOf(qrLines(url)).flatMap((line) =>
      [0, 1].map((half) => line.map((char) => HALVES[char]![half]!)),
    );
    is(readModules(rows), url);
  }
});

test('it has a quiet zone on all sides, and is small', () => {
  const lines = charactersOf(qrLines(URLS[0]!));
  equal([lines[0]!.length, lines.length], [29 + 2 * QUIET, 19]);
  for (const line of [...lines.slice(0, QUIET / 2), ...lines.slice(-QUIET / 2)]) match(line.join(''), /^ +$/);
  for (const line of lines) match(line.join(''), /^ {4}.* {4}$/);
});

test.run();
