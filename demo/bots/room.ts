/** The bots of a room and who of them speaks when: one to four at a time, in turns, as people in a conversation. */
import type { Voice } from '../speech/library.ts';
import type { Bot } from './bot.ts';

/** So many bots keep one conversation going; with more there are several at a time. */
const BOTS_PER_CONVERSATION = 4;
const MOST_CONVERSATIONS = 4;
const FRAME_MS = 20;
/** Pause between two sentences of a conversation, milliseconds: at least, and how much longer it may be. */
const PAUSE_MS = 250;
const PAUSE_MORE_MS = 1000;

/** A bot with what it can say. */
interface Speaker {
  /** Of all bots of the demo. */
  readonly number: number;
  readonly bot: Bot;
  readonly voice: Voice;
  /** Sentences said so far. */
  said: number;
}

export class BotRoom {
  private readonly speakers: Speaker[] = [];
  /** When each conversation goes on, milliseconds. */
  private readonly next = Array.from({ length: MOST_CONVERSATIONS }, () => 0);
  private last: Speaker | null = null;

  get size(): number {
    return this.speakers.length;
  }

  add(number: number, bot: Bot, voice: Voice): void {
    this.speakers.push({ number, bot, voice, said: 0 });
  }

  /** Ends the bot that came last. @returns its number. */
  remove(): number | undefined {
    const speaker = this.speakers.pop();
    speaker?.bot.end();
    return speaker?.number;
  }

  /** @param now milliseconds. */
  tick(now: number): void {
    const conversations = Math.min(MOST_CONVERSATIONS, Math.ceil(this.size / BOTS_PER_CONVERSATION));
    for (let i = 0; i < conversations; i++) {
      if (now >= this.next[i]!) this.next[i] = now + this.speak() + PAUSE_MS + Math.random() * PAUSE_MORE_MS;
    }
    for (const { bot } of this.speakers) bot.tick(now);
  }

  /** Somebody who is quiet says their next sentence, not the one who spoke last if there is another. @returns milliseconds. */
  private speak(): number {
    const quiet = this.speakers.filter(({ bot }) => bot.quiet);
    const others = quiet.filter((speaker) => speaker !== this.last);
    const speaker = pick(others) ?? quiet[0];
    if (speaker === undefined) return 0;
    const { sentences } = speaker.voice;
    const sentence = sentences[speaker.said++ % sentences.length];
    if (sentence === undefined) return 0;
    this.last = speaker;
    speaker.bot.say(sentence);
    return sentence.packets.length * FRAME_MS;
  }
}

function pick<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)];
}
