/** The bots' process: places them as the demo says over IPC, and keeps them talking. */
import { readVoices } from '../speech/library.ts';
import { Bot } from './bot.ts';
import { BOT_MARK, MAX_BOTS, type Placement } from './protocol.ts';
import { BotRoom } from './room.ts';

const TICK_MS = 5;
/** How long the bots have to say goodbye at the end, milliseconds. */
const GOODBYE_MS = 200;

const voices = readVoices();
const rooms = new Map<string, BotRoom>();
const used = new Set<number>();
let urls: readonly string[] = [];

/** Adds and ends bots until they match the placement. Bots of a server that has ended make room for others. */
function place(placement: Placement): void {
  urls = placement.urls;
  for (const room of rooms.values()) {
    for (const number of room.removeAway(urls)) used.delete(number);
  }
  for (const room of rooms.keys()) if (placement.rooms[room] === undefined) resize(room, 0);
  if (urls.length > 0) for (const [room, count] of Object.entries(placement.rooms)) resize(room, count);
}

function resize(id: string, count: number): void {
  const room = rooms.get(id) ?? new BotRoom();
  rooms.set(id, room);
  while (room.size > count) used.delete(room.remove()!);
  while (room.size < count && used.size < MAX_BOTS) enter(id, room);
  if (room.size === 0) rooms.delete(id);
}

function enter(id: string, room: BotRoom): void {
  let number = 0;
  while (used.has(number)) number++;
  used.add(number);
  const voice = voices[number % voices.length]!;
  // A name repeats, with a number, only once every voice is in use.
  const round = Math.floor(number / voices.length);
  const userid = `${voice.name}${round === 0 ? '' : ` ${round + 1}`}${BOT_MARK}`;
  room.add(number, new Bot({ url: urls[number % urls.length]!, room: id, userid }), voice);
}

setInterval(() => {
  const now = performance.now();
  for (const room of rooms.values()) room.tick(now);
}, TICK_MS);

function end(): void {
  for (const room of rooms.keys()) resize(room, 0);
  // An orderly exit would wait for callbacks of the native library that never come.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), GOODBYE_MS);
}

process.on('message', place);
process.on('disconnect', end);
// There is no `disconnect` event if the demo ended before this process started.
if (!process.connected) end();
// Ctrl-C reaches the whole process group. Ignore it: the demo ends its bots itself, and they say goodbye.
process.on('SIGINT', () => undefined);
