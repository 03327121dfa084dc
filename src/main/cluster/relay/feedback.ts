/**
 * Loss of relayed packets: once a second each instance tells the others what the worst of its listeners lose of their
 * sources. So a publisher adds redundancy for a listener of another instance as for one of its own.
 */
import * as v from 'valibot';
import { connectionIndex } from '../../../workers/protocol.ts';
import type { Rtcp } from '../../rtcp/rtcp.ts';
import type { Bus } from '../bus.ts';
import { incarnation } from '../messages/parts.ts';
import { type ReadCounts, readMessage, writeMessage } from '../messages/read.ts';
import type { RemoteSource } from './interfaces.ts';

/** Most sources in a message. */
const MAX_SOURCES = 1000;
/** Digits of an incarnation that make its number among the listeners. */
const NUMBER_DIGITS = 7;

const integer = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(most));
/** `loss`: sources of the receiver, and the loss of the sender's worst listener of each, in 256ths. */
const Schema = v.object({
  from: incarnation,
  loss: v.pipe(v.array(v.tuple([integer(2 ** 31 - 1), integer(255)])), v.maxLength(MAX_SOURCES)),
});

export interface FeedbackParts {
  readonly bus: Pick<Bus, 'publish'>;
  readonly rtcp: Pick<Rtcp, 'lossOf' | 'noteElsewhere'>;
  /** Counts messages that are dropped. */
  readonly read: ReadCounts;
  /** Of this instance. */
  readonly incarnation: string;
  /** Returns the subject of an instance's messages of this kind. */
  readonly subject: (incarnation: string) => string;
}

interface Heard {
  readonly source: RemoteSource;
  /** The source's id here when it was heard. */
  readonly id: number;
  readonly instance: string;
  /** Its id on its own instance. */
  readonly number: number;
  /** What its instance was told last. */
  told: number;
}

export class Feedback {
  private readonly parts: FeedbackParts;
  /** By connection index here. */
  private readonly heard: (Heard | undefined)[] = [];

  constructor(parts: FeedbackParts) {
    this.parts = parts;
  }

  /** Takes note of a source whose packet came. @param number its id on its own instance. Seldom allocates. */
  note(source: RemoteSource, instance: string, number: number): void {
    const { id } = source;
    // No worker knows it.
    if (id < 0) return;
    const index = connectionIndex(id);
    const known = this.heard[index];
    if (known === undefined || known.source !== source || known.id !== id) {
      this.heard[index] = { source, id, instance, number, told: 0 };
    }
  }

  /** Returns a source of another instance by its id here. */
  find(id: number): RemoteSource | undefined {
    const heard = this.heard[connectionIndex(id)];
    return heard !== undefined && heard.id === id && heard.source.id === id ? heard.source : undefined;
  }

  /** Tells the others. Call it once a second. @param now milliseconds, of the clock of `Rtcp`. */
  tick(now: number): void {
    const losses = new Map<string, [number, number][]>();
    for (const [index, heard] of this.heard.entries()) {
      if (heard === undefined) continue;
      const { source, id, instance, number } = heard;
      if (source.id !== id) this.heard[index] = undefined;
      const fraction = source.id === id ? this.parts.rtcp.lossOf(source, now) : 0;
      if (fraction === 0 && heard.told === 0) continue;
      heard.told = fraction;
      const ofInstance = losses.get(instance);
      if (ofInstance === undefined) losses.set(instance, [[number, fraction]]);
      else ofInstance.push([number, fraction]);
    }
    for (const [instance, loss] of losses) this.tell(instance, loss);
  }

  /** Takes what another instance says. Never throws. @param now milliseconds, of the clock of `Rtcp`. */
  take(data: Uint8Array, now: number): void {
    const message = readMessage(Schema, data, this.parts.read);
    if (message === null) return;
    const instance = Number.parseInt(message.from.slice(0, NUMBER_DIGITS), 16);
    for (const [id, fraction] of message.loss) this.parts.rtcp.noteElsewhere(id, instance, fraction, now);
  }

  private tell(instance: string, loss: readonly [number, number][]): void {
    const { bus, incarnation: from, subject } = this.parts;
    for (let at = 0; at < loss.length; at += MAX_SOURCES) {
      bus.publish(subject(instance), writeMessage({ from, loss: loss.slice(at, at + MAX_SOURCES) }));
    }
  }
}
