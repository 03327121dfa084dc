import type { Case } from './case.ts';
import { egressCase } from './egress.ts';
import { headerCase, levelCase, rewriteCase, ringCase, weriftCase } from './parts.ts';
import { rankingCase } from './ranking.ts';
import { stepCase } from './step.ts';

/** Returns the guard's cases: our own packet path. */
export function guardedCases(): Case[] {
  const parts = [headerCase(), levelCase(), rewriteCase(), ringCase(), rankingCase()];
  const steps = [3, 9, 99, 300, 999].map((slots) => stepCase(slots));
  return [...parts, ...steps, stepCase(300, true), egressCase(1, 300), egressCase(3, 100)];
}

/** Returns all cases. */
export function allCases(): Case[] {
  return [...guardedCases(), weriftCase()];
}
