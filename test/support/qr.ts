/** Reads QR codes as a camera does: it looks for them in a picture. */
import { decodeQR } from 'qr/decode.js';

/** Width and height of a module in the picture that is made of modules, pixels. */
const SCALE = 4;
/** Time for harder attempts, milliseconds; a busy machine needs more than the time between two pictures of a camera. */
const TIME_MS = 5000;

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and opacity of each pixel. */
  readonly data: Uint8Array;
}

/** Returns the text of the code in a picture. @throws Error if there is none. */
export function readCode(picture: Picture): string {
  return decodeQR(picture, { format: 'RGBA', timeLimit: TIME_MS });
}

/** Returns the text of a code whose modules these are, row by row, true for dark ones. */
export function readModules(rows: readonly (readonly boolean[])[]): string {
  const [width, height] = [rows[0]!.length * SCALE, rows.length * SCALE];
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (rows[Math.floor(y / SCALE)]![Math.floor(x / SCALE)])
        data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return readCode({ width, height, data });
}
