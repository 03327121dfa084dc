/** A generator of 32-bit numbers, 0 … 2^32 - 1, the same for the same seed (mulberry32). */
export type Random = () => number;

export function prng(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** A whole number, 0 … below - 1. */
export function below(random: Random, limit: number): number {
  return random() % limit;
}

let chosen: number | undefined;

/** The seed of this process: new in every run and printed, so that a failure can be had again with `SEED=…`. */
export function seed(what: string): number {
  chosen ??= Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed of ${what}: ${chosen}`);
  return chosen;
}
