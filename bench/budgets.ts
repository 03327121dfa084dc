/**
 * What each case of the packet path may cost, in steps of the calibration loop. The budgets are 1.5 to 2 × the median
 * of the ratios measured on 2 cores of an AMD EPYC, Node 20.20; those of the egress are of 2026-11-27. Whoever raises one gives the reason in the CHANGELOG.
 */
export const BUDGETS_SET = '2026-11-22';

export const BUDGETS: Readonly<Record<string, number>> = {
  'header check': 12,
  'level read': 3.5,
  'rewrite (number and write the fields)': 6.5,
  'ring push + pop of 140 bytes': 40,
  'ranking, 50 of 500 talk in turns': 200,
  'whole worker step, 3 slots': 300,
  'whole worker step, 9 slots': 130,
  'whole worker step, 99 slots': 33,
  'whole worker step, 300 slots': 26,
  'whole worker step, 999 slots': 25,
  'whole worker step, 300 slots, RED': 28,
  'egress, 1 to 300': 36,
  'egress, 3 to 100': 36,
};
