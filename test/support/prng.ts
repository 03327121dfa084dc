/** A generator of whole numbers from 0 to 2^32 - 1, reproducible from its seed (mulberry32). */
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

/** Returns a whole number from 0 to limit - 1. */
export function below(random: Random, limit: number): number {
  return random() % limit;
}

let chosen: number | undefined;

/** Returns the seed of this process, new in every run. It is printed, so that `SEED=…` can repeat a failure. */
export function seed(what: string): number {
  chosen ??= Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed of ${what}: ${chosen}`);
  return chosen;
}
