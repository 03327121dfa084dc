/**
 * The benchmark of the cluster: real instances on a real nats-server, real WebRTC clients, and one instance alone in
 * the same run to compare with. See bench/README.md.
 *
 *   npm run bench:cluster -- --sinks --rounds 3
 */
import { parseArgs } from 'node:util';
import { conversationCase } from './cluster/conversation.ts';
import { printRows } from './cluster/figures.ts';
import { chooseNats } from './cluster/instances.ts';
import { spanningCase } from './cluster/spanning.ts';
import { deathCase, joinCase } from './cluster/times.ts';
import { enterNamespace, inNamespace, SINK_PORTS, sinkPackets } from './room/namespace.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: 'conversation,spanning,joins,death' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '15' },
    'warm-up': { type: 'string', default: '30' },
    listeners: { type: 'string', default: '100' },
    conversations: { type: 'string', default: '200' },
    probes: { type: 'string', default: '200' },
    deaths: { type: 'string', default: '5' },
    sinks: { type: 'boolean', default: false },
    nats: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:cluster -- [options]
  --cases A,B          conversation: 3 speakers on A, listeners on B, compared with one instance
                       spanning: conversations of two people that span two instances, compared with the same within one
                       joins: join to first packet heard; membership visible on all instances
                       death: an instance is killed (all of them)
  --rounds N           rounds of the first two, in turn; figures are their medians (3)
  --seconds N          measured time of each (15)
  --warm-up N          how long people of the first talk before, so that V8 has compiled what runs 150 times a second (30)
  --listeners N        listeners of the first (100)
  --conversations N    conversations of the second (200)
  --probes N           joins of the third, of each kind (200)
  --deaths N           instances killed (5)
  --sinks              let the kernel drop the packets of listeners that are not measured, so that the clients cost next
                       to nothing; needs Linux, root and nft; runs in its own network namespace
  --nats PATH          the nats-server to start`);
  process.exit(0);
}

const whole = (
  name: 'rounds' | 'seconds' | 'warm-up' | 'listeners' | 'conversations' | 'probes' | 'deaths',
): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is ${values[name]}, not a whole number`);
  return value;
};
if (values.sinks && !inNamespace()) enterNamespace('--sinks');
if (values.sinks) sinkPackets();
if (values.nats !== '') chooseNats(values.nats);

const span = { seconds: whole('seconds'), sinks: values.sinks ? SINK_PORTS : null };
const cases = {
  conversation: () =>
    conversationCase(whole('rounds'), whole('listeners'), { ...span, warmUpSeconds: whole('warm-up') }),
  spanning: () => spanningCase(whole('rounds'), whole('conversations'), span),
  joins: () => joinCase(whole('probes')),
  death: () => deathCase(whole('deaths')),
};
for (const name of values.cases.split(',')) {
  const run = (cases as Readonly<Record<string, (typeof cases)['death']>>)[name];
  if (run === undefined) throw new Error(`--cases has ${name}; there are ${Object.keys(cases).join(', ')}`);
  printRows(name, await run());
}
process.exit(0);
