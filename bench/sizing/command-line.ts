/** Reads the command line of `npm run size`. */
import { parseArgs } from 'node:util';
import type { Demand } from './size.ts';

const OPTIONS = { rooms: '1', speakers: '3', listeners: '100', slots: '3', ptime: '20' } as const;

/** @throws Error that says which values an option may have. */
export function readDemand(args: readonly string[]): Demand {
  const text = { type: 'string' } as const;
  const options = { rooms: text, speakers: text, listeners: text, slots: text, ptime: text };
  const { values } = parseArgs({ args: [...args], options });
  const whole = (name: keyof typeof OPTIONS, least: number): number => {
    const value = Number(values[name] ?? OPTIONS[name]);
    if (Number.isInteger(value) && value >= least && value <= 10_000_000) return value;
    throw new Error(`--${name} is ${values[name]}: set it to a whole number from ${least} on`);
  };
  return {
    rooms: whole('rooms', 1),
    speakers: whole('speakers', 0),
    listeners: whole('listeners', 0),
    slots: whole('slots', 0),
    ptime: whole('ptime', 10),
  };
}
