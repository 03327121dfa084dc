/** How the values of variables are read. */
import * as v from 'valibot';

/** Returns the schema of a value. @param allowed in words, for the error. @param read returns undefined for a bad value. */
export function parsed<T>(allowed: string, read: (text: string) => T | undefined) {
  return v.pipe(
    v.string(),
    v.transform((text) => read(text.trim())),
    v.check((value) => value !== undefined, allowed),
    v.transform((value) => value as T),
  );
}

/** Returns the schema of a whole number within limits, which are good themselves. */
export function integer(least: number, most: number) {
  return parsed(`a whole number from ${least} to ${most}`, (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  });
}

/** Returns the schema of a power of two within limits, which are good themselves. */
export function powerOfTwo(least: number, most: number) {
  return parsed(`a power of two from ${least} to ${most}`, (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most && (value & (value - 1)) === 0 ? value : undefined;
  });
}

/** Returns the parts between commas, without those that are empty. */
export function list(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
