/** Draws a QR code (ISO/IEC 18004). */
import { encodeQR } from 'qr';

const SVG = 'http://www.w3.org/2000/svg';
/** Quiet zone around the code, modules (ISO/IEC 18004, section 9.1). */
const QUIET = 4;

/** Makes a picture of a text's code: black on white, because many cameras read no code that is light on dark. */
export function drawCode(text: string): SVGSVGElement {
  // A screen does not get dirty, so the lowest correction does, and the modules stay large.
  const rows = encodeQR(text, 'raw', { ecc: 'low', border: QUIET });
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute(
    'd',
    rows.map((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')).join('')).join(''),
  );
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${rows.length} ${rows.length}`);
  // Seams between modules would confuse a camera.
  svg.setAttribute('shape-rendering', 'crispEdges');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'QR code of the link');
  svg.append(path);
  return svg;
}
