/**
 * A fixed piece of work that shows how fast this machine runs this kind of code at this moment: reads and writes of
 * shared memory and integer arithmetic, like those of the packet path. The guard measures it in turn with each case, in
 * the same process, so that a slow or busy machine slows both.
 */
const WORDS = 4096;
const ROUNDS = 16;

const words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
const bytes = new Uint8Array(words.buffer);

/** Steps in one call of {@link calibrate}. */
export const CALIBRATION_STEPS = WORDS * ROUNDS;

export function calibrate(): number {
  let mixed = 1;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < WORDS; i++) {
      mixed = (Math.imul(mixed, 1664525) + words[i]! + bytes[(mixed >>> 8) & 0x3fff]!) | 0;
      words[i] = mixed;
    }
  }
  return mixed;
}
