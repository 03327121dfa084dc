/** One person in the list. */
import type { Participant } from '@beep/webrtc-client';
import { make, makeFace, makeIcon, setText } from './dom.ts';

/** What a row shows. */
export interface PersonView {
  readonly participant: Participant;
  readonly isSelf: boolean;
  /** The slot that carries the person's voice; null for none. */
  readonly slot: number | null;
  /** Linear level of the voice, 0 to 1. */
  readonly level: number;
  readonly pinned: boolean;
  readonly excluded: boolean;
  /** 0 to 2. */
  readonly volume: number;
  /** Id of the server that the person is on, if there are several. */
  readonly place: string;
}

/** Returns the name to show. */
export const nameOf = ({ name, userid }: Participant): string => name ?? userid;

export class PersonRow {
  readonly item = make('li', 'person');
  readonly menu = make('button', 'more', makeIcon('more'));
  readonly name: string;
  private readonly face: HTMLElement;
  private readonly what = make('span', 'what');
  /** Others see a ring, which changes too often for a word that moves the name. */
  private readonly voice = make('span', 'unseen', 'speaking');
  private readonly mark = make('span', 'mark', makeIcon('sound'), make('span', 'unseen', 'you hear them'));
  private readonly muted = make('span', 'muted', makeIcon('mic-off'));
  private readonly hand = make('span', 'hand', makeIcon('hand'));

  /** @param opened is called with the button when the person's menu is wanted; null for the user, who has none. */
  constructor(participant: Participant, opened: ((button: HTMLButtonElement) => void) | null) {
    this.name = nameOf(participant);
    this.face = makeFace(this.name);
    this.item.dataset['who'] = participant.userid;
    const who = make('div', 'who', make('span', 'name', this.name), this.what, this.voice);
    this.item.append(this.face, who, this.hand, this.mark, this.muted);
    this.menu.type = 'button';
    this.menu.append(make('span', 'unseen', `Options for ${this.name}`));
    this.menu.setAttribute('aria-haspopup', 'dialog');
    this.menu.setAttribute('aria-expanded', 'false');
    if (opened === null) return;
    this.menu.addEventListener('click', () => opened(this.menu));
    this.item.append(this.menu);
  }

  paint(view: PersonView): void {
    const { participant, slot, level } = view;
    const { muted, speaking, hand = false, speak = true } = participant;
    const { classList, dataset } = this.item;
    classList.toggle('speaking', speaking && !muted);
    classList.toggle('excluded', view.excluded);
    if (slot === null) delete dataset['slot'];
    else dataset['slot'] = String(slot);
    this.face.style.setProperty('--level', Math.min(1, Math.sqrt(level)).toFixed(2));
    this.voice.hidden = muted || !speaking;
    this.mark.hidden = slot === null;
    this.muted.hidden = !muted || !speak;
    this.hand.hidden = !hand;
    setText(this.what, wordsOf(view).join(' · '));
  }
}

function wordsOf({ participant, isSelf, pinned, excluded, volume, place }: PersonView): string[] {
  const { muted, deafened = false, hand = false, speak = true } = participant;
  const words = [
    isSelf ? 'you' : '',
    hand ? 'asks to speak' : speak ? '' : 'listens',
    muted && speak ? 'muted' : '',
    deafened ? 'deafened' : '',
    pinned ? 'pinned' : '',
    excluded ? 'muted for you' : '',
    volume === 1 || excluded ? '' : `volume ${Math.round(volume * 100)}\u00a0%`,
    place,
  ];
  return words.filter((word) => word !== '');
}
