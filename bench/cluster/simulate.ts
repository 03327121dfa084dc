/**
 * How much traffic instances have among each other, for any number of them: `npm run bench:simulate`. With `--check`
 * the same is measured on two and three real instances, whose clients talk by the same random numbers.
 *
 *   npm run bench:simulate -- --instances 2,20 --listeners 3000 --talking 8
 */
import { parseArgs } from 'node:util';
import { checkModel } from './check.ts';
import { sum } from './figures.ts';
import { chooseNats } from './instances.ts';
import { Model, type ModelOptions, type Traffic } from './model.ts';

/** An instance passes on so many more than the largest listener elsewhere has slots. */
const SPARE = 2;
const TALK_MS = 3000;
const WARM_UP_SECONDS = 3;

const { values } = parseArgs({
  options: {
    instances: { type: 'string', default: '2,3,5,10,20' },
    listeners: { type: 'string', default: '3000' },
    slots: { type: 'string', default: '3' },
    foremost: { type: 'string', default: '' },
    conversations: { type: 'string', default: '1' },
    microphones: { type: 'string', default: '20' },
    talking: { type: 'string', default: '3,8n' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    check: { type: 'boolean', default: false },
    nats: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:simulate -- [options]
  --instances N,M      numbers of instances (2,3,5,10,20)
  --listeners N        listeners of each instance, in all its conversations together (3000)
  --slots N            slots of each listener (3)
  --foremost N         how many of its own speakers an instance passes on, in each conversation (slots + ${SPARE})
  --conversations N    conversations, each of which spans all instances (1)
  --microphones N      open microphones of each instance in each conversation (20)
  --talking N,Mn       how many talk at the same time in each conversation, on average; with n, at each instance (3,8n)
  --seconds N          simulated or measured time (60; with --check 20)
  --seed N             seed of who talks when (1)
  --check              compare with two and three real instances, with 10 microphones and 5 listeners each
  --nats PATH          the nats-server to start for that`);
  process.exit(0);
}

const whole = (name: keyof typeof values, text = String(values[name])): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} has ${text}, not a whole number from 1 on`);
  return value;
};
const list = (name: 'instances' | 'talking'): string[] => values[name].split(',');

if (values.check) {
  if (values.nats !== '') chooseNats(values.nats);
  const isGood = await checkModel(whole('seed'), values.seconds === '60' ? 20 : whole('seconds'));
  process.exit(isGood ? 0 : 1);
}

const slots = whole('slots');
const foremost = values.foremost === '' ? slots + SPARE : whole('foremost');
const conversations = whole('conversations');
const listeners = whole('listeners') / conversations;
console.log(
  `${listeners * conversations} listeners with ${slots} slots on each instance, ${conversations} conversations, ` +
    `${foremost} foremost, ${values.microphones} microphones for each instance and conversation, ${values.seconds} s\n`,
);
console.log(
  '| Instances | Talking | Out: mean, peak | In: mean, peak | Foremost × 50: out, in | To listeners | Relayed ÷ these | Same voices |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const talking of list('talking'))
  for (const count of list('instances')) simulate(whole('instances', count), talking);

function simulate(instances: number, talking: string): void {
  const microphones = whole('microphones');
  const everywhere = whole('talking', talking.replace(/n$/, '')) * (talking.endsWith('n') ? instances : 1);
  const active = Math.min(0.99, everywhere / (instances * microphones));
  const options: ModelOptions = {
    ...{ instances, listeners, slots, foremost, microphones },
    ...{ talkMs: TALK_MS, pauseMs: (TALK_MS * (1 - active)) / active, warmUpSeconds: WARM_UP_SECONDS },
    ...{ seed: whole('seed'), seconds: whole('seconds') },
  };
  const all = Array.from({ length: conversations }, (_, i) =>
    new Model({ ...options, seed: options.seed + i * instances * microphones }).run(),
  );
  // Packets of each instance in each second, all conversations together.
  const each = (of: (traffic: Traffic) => number): number[] =>
    all[0]!.flatMap((second, s) => second.map((_, i) => sum(all.map((one) => of(one[s]![i]!)))));
  const mean = (numbers: number[]): number => sum(numbers) / numbers.length;
  const [out, into, toListeners] = [each((t) => t.out), each((t) => t.in), each((t) => t.toListeners)] as const;
  const most = foremost * conversations * 50;
  const count = (value: number): string => Math.round(value).toLocaleString('en');
  const cells = [
    String(instances),
    String(everywhere),
    `${count(mean(out))}, ${count(Math.max(...out))}`,
    `${count(mean(into))}, ${count(Math.max(...into))}`,
    `${count(most)}, ${count((instances - 1) * most)}`,
    count(mean(toListeners)),
    `${((100 * (mean(out) + mean(into))) / mean(toListeners)).toFixed(2)} %`,
    `${((100 * mean(each((t) => t.agreement))) / conversations).toFixed(1)} %`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
