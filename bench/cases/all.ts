import type { Case } from './case.ts';
import { headerCase, levelCase, rewriteCase, ringCase, weriftCase } from './parts.ts';
import { rankingCase } from './ranking.ts';
import { stepCase } from './step.ts';

/** The cases of the guard: our own packet path. */
export function guardedCases(): Case[] {
  return [headerCase(), levelCase(), rewriteCase(), ringCase(), rankingCase(), ...[3, 9, 99, 300, 999].map(stepCase)];
}

/** All of them. */
export function allCases(): Case[] {
  return [...guardedCases(), weriftCase()];
}
