/** The bots of a room. Decides which of them speak: one to four at a time, in turns, as people do. */
import type { Voice } from '../speech/library.ts';
import type { Bot } from './bot.ts';

/** Bots that share one dialogue. With more bots, several dialogues run at a time. */
const BOTS_PER_DIALOGUE = 4;
const MAX_DIALOGUES = 4;
const FRAME_MS = 20;
/** Shortest pause between two sentences of a dialogue, and how much longer it may be. Milliseconds. */
const PAUSE_MS = 250;
const PAUSE_MORE_MS = 1000;

/** A bot with its sentences. */
interface Speaker {
  /** The bot's number among all bots of the demo. */
  readonly number: number;
  readonly bot: Bot;
  readonly voice: Voice;
  /** Number of sentences said so far. */
  said: number;
}

export class BotRoom {
  private speakers: Speaker[] = [];
  /** When each dialogue continues, milliseconds. */
  private readonly next = Array.from({ length: MAX_DIALOGUES }, () => 0);
  private last: Speaker | null = null;

  get size(): number {
    return this.speakers.length;
  }

  add(number: number, bot: Bot, voice: Voice): void {
    this.speakers.push({ number, bot, voice, said: 0 });
  }

  /** Ends the bot added last. @returns its number, or undefined if there is no bot. */
  remove(): number | undefined {
    const speaker = this.speakers.pop();
    speaker?.bot.end();
    return speaker?.number;
  }

  /** Ends the bots that are not on one of these servers. @returns their numbers. */
  removeAway(urls: readonly string[]): number[] {
    const away = this.speakers.filter(({ bot }) => !urls.includes(bot.url));
    this.speakers = this.speakers.filter((speaker) => !away.includes(speaker));
    for (const { bot } of away) bot.end();
    return away.map(({ number }) => number);
  }

  /** Starts the sentences and sends the frames that are due. @param now milliseconds. */
  tick(now: number): void {
    const dialogues = Math.min(MAX_DIALOGUES, Math.ceil(this.size / BOTS_PER_DIALOGUE));
    for (let i = 0; i < dialogues; i++) {
      if (now >= this.next[i]!) this.next[i] = now + this.speak() + PAUSE_MS + Math.random() * PAUSE_MORE_MS;
    }
    for (const { bot } of this.speakers) bot.tick(now);
  }

  /**
   * Lets a quiet bot say its next sentence. Avoids the last speaker if another bot is quiet.
   *
   * @returns the length of the sentence in milliseconds; 0 if nobody speaks.
   */
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
