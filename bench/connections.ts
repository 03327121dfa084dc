/**
 * What connections cost that do nothing: the CPU of a second of silence, and of a packet that comes in, by their number,
 * with and without a channel for events, and by the number of media ports. See bench/README.md.
 *
 *   npm run bench:connections -- --connections 0,50,500,2000 --ports 4,16
 */
import { parseArgs } from 'node:util';
import { type Cost, type CurvePoint, measureCurve } from './connections/curve.ts';
import { enterNamespace, inNamespace } from './room/namespace.ts';

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '0,10,50,100,500,1000,2000' },
    ports: { type: 'string', default: '1,4,16' },
    events: { type: 'string', default: 'no,yes' },
    talkers: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '8' },
    env: { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:connections -- [options]
  --connections LIST  numbers of connections that do nothing, in conversations of fifty (0,10,50,100,500,1000,2000)
  --ports LIST        numbers of media ports (1,4,16)
  --events LIST       whether these connections have the data channel for events: no, yes or both (no,yes)
  --talkers N         people who talk to one listener beside them (10)
  --seconds N         measured time, of silence and of talk each (8)
  --env K=V           set a variable of the server; may be given several times
Needs Linux and root; runs in its own network namespace.`);
  process.exit(0);
}
if (!inNamespace()) enterNamespace('bench:connections');

const numbers = (text: string): number[] => text.split(',').map(Number);
const env = Object.fromEntries(values.env.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]));
const row = (...cells: string[]): void => console.log(`| ${cells.join(' | ')} |`);

row(
  'Media ports',
  'Events',
  'Connections',
  'Silence, ms of CPU a second',
  'A packet in, µs',
  'Its delay, ms p50 / p99',
  'Memory, MiB',
  'Lost',
);
row(...Array.from({ length: 8 }, () => '---'));
for (const ports of numbers(values.ports)) {
  for (const events of values.events.split(',')) {
    const setup = {
      connections: numbers(values.connections),
      ports,
      events: events === 'yes',
      talkers: Number(values.talkers),
      seconds: Number(values.seconds),
      env,
    };
    for await (const point of measureCurve(setup)) print(ports, events, point);
  }
}
process.exit(0);

function print(ports: number, events: string, point: CurvePoint): void {
  const { connections, gone, silence, packet, delay, rssMiB, lost } = point;
  row(
    String(ports),
    events,
    connections === null ? (gone ? 'all gone again' : 'nobody') : String(connections),
    told(silence, 1),
    packet === null ? '' : told(packet, 0),
    delay === null ? '' : `${delay.p50.toFixed(2)} / ${delay.p99.toFixed(2)}`,
    rssMiB?.toFixed(0) ?? '',
    String(lost),
  );
}

/** Returns a cost with that of each thread in parentheses. */
function told({ total, threads }: Cost, digits: number): string {
  const parts = threads.map(({ name, cost }) => `${name} ${cost.toFixed(digits)}`);
  return `${total.toFixed(digits)} (${parts.join(', ')})`;
}
