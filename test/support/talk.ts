/**
 * Synthetic conversations: people who talk in words, with pauses between words and for breath, through a real
 * forwarder, packet by packet. They count how much of each person's speech reaches a listener.
 */
import { OPUS_FRAME_TICKS } from '../../src/rtp/packet.ts';
import { rtp } from './packets.ts';
import { below } from './prng.ts';
import { Bench, SILENCE } from './shard.ts';

/** Returns the audio level of a microphone frame in -dBov, or null for a packet without a level. */
export type Microphone = (frame: number) => number | null;

export const FRAMES_PER_SECOND = 50;
const NOISE = 75;
const LEVEL_ID = 3;

/**
 * Returns speech: words of 160 to 500 ms whose syllables rise and fall by 12 dB, pauses of 40 to 200 ms between them,
 * and a breath of 300 to 600 ms after every sixth.
 *
 * @param level level of the loudest syllables, -dBov.
 */
export function speech(random: () => number, level: number): Microphone {
  let word = 0;
  let pause = 0;
  let words = 0;
  return () => {
    if (word > 0) {
      word--;
      return Math.min(126, level + below(random, 13));
    }
    if (pause > 0) {
      pause--;
      return NOISE + below(random, 6);
    }
    word = 8 + below(random, 18);
    pause = ++words % 6 === 0 ? 15 + below(random, 16) : 2 + below(random, 9);
    return level + 6;
  };
}

/** Returns a microphone that talks for `on` frames and is silent for `off`, repeatedly, after `first` frames. */
export function turns(talk: Microphone, first: number, on: number, off: number): Microphone {
  return (frame) => {
    const at = (frame - first) % (on + off);
    return frame >= first && at < on ? talk(frame) : 127;
  };
}

/** Returns a sharp noise of 40 to 120 ms every one to three seconds. */
export function claps(random: () => number, level: number): Microphone {
  let left = 0;
  let until = 50 + below(random, 100);
  return () => {
    if (left > 0) {
      left--;
      return level;
    }
    if (--until > 0) return NOISE;
    until = 50 + below(random, 100);
    left = 1 + below(random, 5);
    return level;
  };
}

/** A person in the conversation, and how much of their speech the listener heard. */
export class Person {
  /** Packets with speech, and those of them that arrived. */
  said = 0;
  heard = 0;
  /** Frame of the first packet with sound that arrived since {@link reset}; -1 for none. */
  firstHeard = -1;
  readonly id: number;
  readonly microphone: Microphone;
  sequence = 0;

  constructor(id: number, microphone: Microphone) {
    this.id = id;
    this.microphone = microphone;
  }

  get share(): number {
    return this.heard / this.said;
  }

  reset(): void {
    this.said = 0;
    this.heard = 0;
    this.firstHeard = -1;
  }
}

/** A conversation with one observed listener, whose own microphone is on and silent. */
export class Room {
  readonly bench: Bench;
  readonly people: Person[] = [];
  readonly listener: number;
  /** Packets sent to the observed listener, and to all listeners. */
  toListener = 0;
  toAll = 0;
  frame = 0;
  private readonly silent: Person;

  /** @param connections largest number of connections. */
  constructor(slots: number, connections = 64) {
    this.bench = new Bench(1 << 22, connections);
    this.listener = connections - 1;
    this.bench.join(this.listener, { slots, levelExtension: LEVEL_ID });
    this.silent = new Person(this.listener, () => 127);
  }

  add(microphone: Microphone, slots = 0): Person {
    const person = new Person(this.people.length + 1, microphone);
    this.people.push(person);
    this.bench.join(person.id, { slots, levelExtension: LEVEL_ID });
    return person;
  }

  /** Lets everybody send for some seconds. @param seconds may have a fraction. */
  run(seconds: number): void {
    for (const end = this.frame + Math.round(seconds * FRAMES_PER_SECOND); this.frame < end; this.frame++) {
      this.bench.clock = (this.bench.clock + OPUS_FRAME_TICKS) | 0;
      this.speak(this.silent);
      for (const person of this.people) this.speak(person);
    }
  }

  /** Resets the counts of everybody. */
  reset(): void {
    for (const person of this.people) person.reset();
  }

  private speak(person: Person): void {
    const level = person.microphone(this.frame);
    // Discontinuous transmission: silent people send next to nothing.
    if (level === 127 && this.frame % 20 !== 0) return;
    const sequence = person.sequence++ & 0xffff;
    const sound = level === null || level < NOISE - 10;
    const packet = rtp({
      sequence,
      timestamp: (this.frame * OPUS_FRAME_TICKS) >>> 0,
      ssrc: person.id,
      payload: Buffer.from('some sound'),
      ...(level === null ? {} : { level: { id: LEVEL_ID, level } }),
    });
    let heard = false;
    for (const { to, csrc, payload } of this.bench.send(person.id, packet)) {
      this.toAll++;
      if (to !== this.listener || payload === SILENCE) continue;
      this.toListener++;
      if (csrc === person.id) heard = true;
    }
    if (!sound) return;
    person.said++;
    if (!heard) return;
    person.heard++;
    if (person.firstHeard < 0) person.firstHeard = this.frame;
  }
}
