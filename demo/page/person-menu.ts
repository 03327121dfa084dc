/** The menu of a person: their volume, pin, and “mute for me”. */
import { byId, press, setText } from './dom.ts';
import { nameOf, type PersonView } from './person.ts';
import { openAt } from './popover.ts';

export interface MenuEvents {
  /** The user pins or excludes this person, or undoes it. */
  wish(key: string, wish: 'pin' | 'exclude'): void;
  /** The user changes how loud a person is. @param volume 0 to 2. */
  volume(userid: string, volume: number): void;
}

export class PersonMenu {
  private readonly menu = byId('menu', HTMLDivElement);
  private readonly title = byId('menu-title', HTMLHeadingElement);
  private readonly volume = byId('menu-volume', HTMLInputElement);
  private readonly percent = byId('menu-percent', HTMLOutputElement);
  private readonly pin = byId('menu-pin', HTMLButtonElement);
  private readonly places = byId('menu-places', HTMLParagraphElement);
  private readonly exclude = byId('menu-exclude', HTMLButtonElement);
  private key = '';
  private userid = '';

  constructor(events: MenuEvents) {
    this.pin.addEventListener('click', () => events.wish(this.key, 'pin'));
    this.exclude.addEventListener('click', () => events.wish(this.key, 'exclude'));
    this.volume.addEventListener('input', () => {
      setText(this.percent, `${this.volume.value} %`);
      events.volume(this.userid, this.volume.valueAsNumber / 100);
    });
  }

  get isOpen(): boolean {
    return this.menu.matches(':popover-open');
  }

  /** @param places says how many places there are for pinned people. */
  open(key: string, view: PersonView, places: string, button: HTMLButtonElement): void {
    this.key = key;
    this.userid = view.participant.userid;
    this.paint(view, places);
    openAt(this.menu, button);
    this.volume.focus();
  }

  /** Closes the menu if it is this person's. @returns whether it was. */
  close(key: string): boolean {
    if (!this.isOpen || key !== this.key) return false;
    this.menu.hidePopover();
    return true;
  }

  paint({ participant, pinned, excluded, volume }: PersonView, places: string): void {
    setText(this.title, nameOf(participant));
    this.volume.value = String(Math.round(volume * 100));
    setText(this.percent, `${this.volume.value} %`);
    press(this.pin, pinned);
    setText(this.places, pinned ? places : 'A pinned person is always heard.');
    press(this.exclude, excluded);
  }
}
