/** The list of slots, with the person in each. */
import type { VoiceClient } from '@beep/webrtc-client';
import { byId, make, makeFace, paintFace, setText } from './dom.ts';

/** Scales a level by its square root for display, because a voice is rarely louder than a tenth of full scale. */
const shown = (level: number): string => Math.min(1, Math.sqrt(level)).toFixed(2);
/** Level to show if the browser does not report one. */
const SOME = 0.2;

interface Card {
  readonly item: HTMLLIElement;
  readonly face: HTMLElement;
  readonly name: HTMLElement;
  readonly what: HTMLElement;
}

export class Voices {
  private readonly list = byId('voices', HTMLOListElement);
  private cards: Card[] = [];

  show({ slots, speakers, participants }: VoiceClient): void {
    if (this.cards.length !== slots.length) this.deal(slots.length);
    slots.forEach((slot, i) => {
      const { item, face, name, what } = this.cards[i]!;
      // Look participants up by number, because the slot's own copy dates from when they entered it.
      const participant = participants.get(slot.number) ?? null;
      const speaker = speakers.find((one) => one.slot === slot);
      const speaks = participant?.speaking === true;
      item.classList.toggle('empty', participant === null);
      item.classList.toggle('speaking', speaks);
      item.dataset['who'] = participant?.userid ?? '';
      face.style.setProperty('--level', speaks ? shown(speaker?.level ?? SOME) : '0');
      paintFace(face, participant?.userid ?? '');
      setText(name, participant?.userid ?? 'free');
      setText(
        what,
        `voice ${i + 1}${slot.available ? stateOf(speaks, participant !== null) : ', not granted by the server'}`,
      );
    });
  }

  private deal(count: number): void {
    this.cards = Array.from({ length: count }, () => {
      const [face, name, what] = [makeFace(), make('span', 'name'), make('span', 'what')];
      return { item: make('li', 'voice', face, name, what), face, name, what };
    });
    this.list.replaceChildren(...this.cards.map(({ item }) => item));
  }
}

function stateOf(speaks: boolean, taken: boolean): string {
  return speaks ? ', speaking' : taken ? ', quiet' : '';
}
