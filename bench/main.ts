/** Prints the table of the micro benchmarks: `npm run bench`. Rows give nanoseconds per packet. */
import { Bench } from 'tinybench';
import { allCases } from './cases/all.ts';
import { measureHop } from './hop.ts';

const bench = new Bench({ time: 400, warmupTime: 200 });
const cases = allCases();
for (const one of cases) bench.add(one.name, () => one.run());
await bench.run();
for (const one of cases) {
  const result = bench.getTask(one.name)?.result;
  if (result === undefined || !('latency' in result)) throw new Error(`${one.name} failed`);
  const nanoseconds = (milliseconds: number): string => ((milliseconds * 1e6) / one.operations).toFixed(1).padStart(9);
  const { p50, p99 } = result.latency;
  console.log(`${one.name.padEnd(46)}${nanoseconds(p50 ?? 0)} ns/${one.unit} (p99 ${nanoseconds(p99 ?? 0).trim()})`);
}
const hop = await measureHop(500, 4);
const row = `${hop.p50.toFixed(0)} µs p50, ${hop.p99.toFixed(0)} µs p99`;
console.log(`${'thread hop, main → worker → main, both asleep'.padEnd(46)}${row}`);
process.exit(0);
