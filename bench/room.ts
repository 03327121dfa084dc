/**
 * The room benchmark: the real server in one process, real WebRTC clients in others, and the library's floor in the
 * same run. See bench/README.md.
 *
 *   npm run bench:room -- --speakers 3 --listeners 300 --seconds 15
 */
import { parseArgs } from 'node:util';
import { enterNamespace, inNamespace, SINK_PORTS, sinkPackets } from './room/namespace.ts';
import { printTable, type RoomResult } from './room/report.ts';
import { type RoomSetup, runRoom } from './room/run.ts';

const { values } = parseArgs({
  options: {
    speakers: { type: 'string', default: '3' },
    microphones: { type: 'string', default: '0' },
    listeners: { type: 'string', default: '100' },
    slots: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '15' },
    payload: { type: 'string', default: '100' },
    ptime: { type: 'string', default: '20' },
    measured: { type: 'string', default: '20' },
    sinks: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '1' },
    relay: { type: 'boolean', default: false },
    stage: { type: 'boolean', default: false },
    'no-floor': { type: 'boolean', default: false },
    env: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:room -- [options]
  --speakers N    people who talk (3)
  --microphones N people with an open microphone who say nothing: comfort noise, 2.5 packets a second each (0)
  --listeners N   people who only listen (100)
  --slots N       slots per listener (3)
  --seconds N     measured time (15)
  --payload N     payload bytes per packet (100)
  --ptime N       milliseconds per packet (20)
  --measured N    listeners whose packets are examined (20); the others decrypt and discard theirs
  --sinks         let the kernel drop the packets of all listeners except the measured ones, so that the clients
                  cost next to nothing; needs Linux, root and nft; runs in its own network namespace
  --rounds N      run floor and server this many times, in turn, so that drift hits both alike (1)
  --relay         also run a bare relay, which sends from the callback that delivers a speaker's packet
  --stage         also run the server with listeners who have a microphone, but not the right to speak
  --no-floor      leave out the library's floor
  --env K=V       set a variable of the server; may be given several times
  --json          print the result as JSON on the last line`);
  process.exit(0);
}

const whole = (
  name: 'rounds' | 'speakers' | 'microphones' | 'listeners' | 'slots' | 'seconds' | 'payload' | 'ptime' | 'measured',
): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} is ${values[name]}, not a whole number`);
  return value;
};
const setup: RoomSetup = {
  speakers: whole('speakers'),
  microphones: whole('microphones'),
  listeners: whole('listeners'),
  slots: whole('slots'),
  seconds: whole('seconds'),
  payloadBytes: Math.max(8, whole('payload')),
  intervalMs: Math.max(1, whole('ptime')),
  measured: Math.min(whole('measured'), whole('listeners')),
  sinkPorts: values.sinks ? SINK_PORTS : null,
  env: Object.fromEntries(values.env.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string])),
};

if (values.sinks && !inNamespace()) enterNamespace('--sinks');
if (values.sinks) sinkPackets();
const results: RoomResult[] = [];
for (let round = 0; round < whole('rounds'); round++) {
  const kinds: RoomResult['kind'][] = ['server'];
  if (!values['no-floor']) kinds.unshift('floor');
  if (values.relay) kinds.unshift('relay');
  if (values.stage) kinds.push('stage');
  for (const kind of round % 2 === 0 ? kinds : kinds.reverse()) results.push(await runRoom(kind, setup));
}
printTable(setup, results);
if (values.json) console.log(JSON.stringify({ setup, results }));
process.exit(0);
