/**
 * Says what a service of a certain size takes, by the figures that the benchmarks measured.
 *
 *   npm run size -- --listeners 3000 --speakers 3 --slots 3
 */
import { readDemand } from './sizing/command-line.ts';
import { describeSize } from './sizing/describe.ts';
import { sizeOf } from './sizing/size.ts';

try {
  const demand = readDemand(process.argv.slice(2));
  for (const line of describeSize(demand, sizeOf(demand))) console.log(line);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
