/** A QR code (ISO/IEC 18004) as text for a terminal. */
import { encodeQR } from 'qr';

/** Quiet zone around the code, modules (ISO/IEC 18004, section 9.1). */
export const QUIET = 4;
/** Black on white, whatever the terminal's own colours are: many cameras read no code that is light on dark. */
const BLACK_ON_WHITE = '\u001b[38;5;16;48;5;231m';
const RESET = '\u001b[0m';

/** Returns the modules of a code, true for dark ones, with the quiet zone around them. */
export function modulesOf(text: string): boolean[][] {
  // A screen does not get dirty, so the lowest correction does, and the code stays small.
  return encodeQR(text, 'raw', { ecc: 'low', border: QUIET });
}

/** Returns the lines of a code. Each character shows two modules, one above the other. */
export function qrLines(text: string): string[] {
  const rows = modulesOf(text);
  const lines: string[] = [];
  for (let y = 0; y < rows.length; y += 2) {
    const upper = rows[y]!;
    const lower = rows[y + 1] ?? [];
    const cells = upper.map((dark, x) => (dark ? (lower[x] ? '█' : '▀') : lower[x] ? '▄' : ' '));
    lines.push(`${BLACK_ON_WHITE}${cells.join('')}${RESET}`);
  }
  return lines;
}
