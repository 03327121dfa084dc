/**
 * The endless task of one worker thread: it takes commands first, then packets in batches, and then sleeps.
 *
 * The thread never returns to its event loop, so nothing here may need one. Commands are fetched from the port by hand.
 */
import { receiveMessageOnPort, threadId } from 'node:worker_threads';
import { Bell } from './bell.ts';
import { milliseconds, toBeat, toStamp, toTicks } from './clock.ts';
import { Forwarder } from './forwarder.ts';
import {
  BEAT_WORD,
  COUNTER_WORDS,
  type Command,
  Count,
  EGRESS_BELL,
  type Report,
  type WorkerTask,
} from './protocol.ts';
import { NONE, RingReader, RingWriter } from './ring.ts';

/** Most packets between two checks for commands. */
const BATCH = 64;
/** No connection has this id. */
const NOBODY = -1;
/** Longest sleep, milliseconds, which bounds what a lost wake-up could cost. */
const SLEEP_MS = 1000;
/** Sleep between the frames of silence that end a slot's sound, milliseconds. */
const FADING_SLEEP_MS = 20;

/** Runs until a `stop` command. Everything that reached the ingress ring before it is forwarded first. */
export default function run({ shard, slots, slotsPerConnection, sources, restBell, port }: WorkerTask): void {
  const report = (message: Report): void => port.postMessage(message);
  const ingress = new RingReader(shard.ingress);
  const egress = new RingWriter(shard.egress);
  const forwarder = new Forwarder(shard, egress, { slots, slotsPerConnection, sources }, (conversation, speaker) =>
    report({ type: 'dominant', conversation, speaker }),
  );
  const bell = new Bell(shard.memory, shard.workerBell);
  const mainBell = new Bell(shard.memory, shard.mainBell);
  const resting = new Bell(restBell, 0);
  const commands = new Int32Array(shard.memory, shard.commands, 1);
  const counters = new Int32Array(shard.memory, shard.counters, COUNTER_WORDS);
  const countBusy = (from: number, to: number): void => {
    counters[Count.BusyMicros] = (counters[Count.BusyMicros]! + ((to - from) | 0)) | 0;
  };
  let commandsSeen = 0;
  let stopping = false;

  const execute = (command: Command): void => {
    switch (command.type) {
      case 'join':
        return forwarder.join(command);
      case 'leave':
        forwarder.leave(command.connection);
        egress.publish();
        return report({ type: 'left', connection: command.connection, position: egress.position });
      case 'mute':
        return forwarder.mute(command.connection, command.muted);
      case 'listen':
        return forwarder.listen(command);
      case 'stop':
        stopping = true;
        return;
      default:
        command satisfies never;
    }
  };
  let next: Command | undefined;
  /** @param until goes no further than to the join, or the unmuting, of this connection, whose packet comes next. */
  const takeCommands = (until = NOBODY): void => {
    const seen = Atomics.load(commands, 0);
    for (;;) {
      next ??= receiveMessageOnPort(port)?.message as Command | undefined;
      if (next === undefined) {
        commandsSeen = seen;
        return;
      }
      // Packets sent in a conversation belong there and never in the next one, so forward them before leaving it. An
      // empty ring holds none of them, whatever its position, which an overwritten ring may have lost.
      if (next.type === 'leave' && ((next.position - ingress.position) | 0) > 0 && !ingress.empty) return;
      counters[BEAT_WORD] = toBeat(milliseconds());
      execute(next);
      next = undefined;
      if (forwarder.hears(until)) return;
    }
  };
  const handOver = (): void => {
    if (egress.publish() && !resting.ring() && mainBell.claim()) report(EGRESS_BELL);
  };

  // Set the time and take the commands queued before start-up, so that they are done before `ready` is reported.
  const started = milliseconds();
  forwarder.tick(toTicks(started), toStamp(started));
  takeCommands();
  report({ type: 'ready', thread: threadId });
  let asleep = true;
  /** When the time awake was last counted, microseconds. */
  let counted = 0;
  for (;;) {
    const time = milliseconds();
    const now = toTicks(time);
    const stamp = toStamp(time);
    counters[BEAT_WORD] = toBeat(time);
    if (!asleep) countBusy(counted, stamp);
    asleep = false;
    counted = stamp;
    if (forwarder.tick(now, stamp)) handOver();
    if (next !== undefined || Atomics.load(commands, 0) !== commandsSeen) takeCommands();
    let taken = 0;
    for (; taken < BATCH; taken++) {
      const offset = ingress.next();
      if (offset === NONE) break;
      // The first packet of another instance's source follows its join, or the end of its mute, at once.
      if (!forwarder.hears(ingress.id) && Atomics.load(commands, 0) !== commandsSeen) takeCommands(ingress.id);
      forwarder.forward(offset, ingress.length, ingress.id, ingress.stamp, now);
      handOver();
    }
    ingress.release();
    if (taken > 0 || next !== undefined) continue;
    if (stopping) return;
    bell.arm();
    if (ingress.empty && Atomics.load(commands, 0) === commandsSeen) {
      countBusy(counted, toStamp(milliseconds()));
      asleep = true;
      bell.sleep(forwarder.fading ? FADING_SLEEP_MS : SLEEP_MS);
    } else bell.disarm();
  }
}
