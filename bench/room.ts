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
    rooms: { type: 'string', default: '0' },
    speakers: { type: 'string', default: '3' },
    microphones: { type: 'string', default: '0' },
    'no-levels': { type: 'boolean', default: false },
    listeners: { type: 'string', default: '100' },
    idle: { type: 'string', default: '0' },
    events: { type: 'boolean', default: false },
    instances: { type: 'string', default: '1' },
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
  --rooms N       measure N rooms in which all speakers also listen to each other, without other listeners
  --speakers N    people who talk, in each room (3)
  --microphones N people with an open microphone who say nothing: comfort noise, 2.5 packets a second each (0)
  --no-levels     these do not send audio levels; browsers do
  --listeners N   people who only listen (100)
  --idle N        people who are connected in other rooms, and neither talk nor hear anything (0)
  --events        these have the data channel for events
  --instances N   let N instances with a real NATS serve the rooms; everybody connects to them in turn (1)
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
  name:
    | 'rooms'
    | 'idle'
    | 'instances'
    | 'rounds'
    | 'speakers'
    | 'microphones'
    | 'listeners'
    | 'slots'
    | 'seconds'
    | 'payload'
    | 'ptime'
    | 'measured',
): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} is ${values[name]}, not a whole number`);
  return value;
};
const rooms = whole('rooms');
const setup: RoomSetup = {
  rooms,
  speakers: whole('speakers'),
  microphones: whole('microphones'),
  levels: !values['no-levels'],
  listeners: rooms > 0 ? 0 : whole('listeners'),
  idle: whole('idle'),
  events: values.events,
  instances: Math.max(1, whole('instances')),
  slots: whole('slots'),
  seconds: whole('seconds'),
  payloadBytes: Math.max(8, whole('payload')),
  intervalMs: Math.max(1, whole('ptime')),
  measured: rooms > 0 ? whole('measured') : Math.min(whole('measured'), whole('listeners')),
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
