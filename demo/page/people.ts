/** The list of people in the room: speakers first, with a mark on those whom the user hears. */
import type { Participant, VoiceClient } from '@beep/webrtc-client';
import type { Place } from './bots.ts';
import { byId, setText } from './dom.ts';
import { Order } from './order.ts';
import { nameOf, PersonRow, type PersonView } from './person.ts';
import { PersonMenu } from './person-menu.ts';

/** Shortest time between two changes of the order, milliseconds. */
const REORDER_MS = 1000;
/** Most people shown until the user asks for all, on a phone and elsewhere. */
const FEW = 8;
const MANY = 24;
/** On a touch screen, what was tapped last counts as hovered. */
const POINTER = matchMedia('(hover: hover)');
const PHONE = matchMedia('(max-width: 40rem)');
/** Level to show if the browser does not report one. */
const SOME_LEVEL = 0.2;

/** What the user can choose for another participant. */
export type Wish = 'pin' | 'exclude';

/** Returns a client's key. It stays the same when the participant's number changes. */
export const keyOf = ({ userid, clientid }: Pick<Participant, 'userid' | 'clientid'>): string =>
  JSON.stringify([userid, clientid]);

export class People {
  private readonly title = byId('people-title', HTMLHeadingElement);
  private readonly list = byId('people', HTMLUListElement);
  private readonly more = byId('more', HTMLParagraphElement);
  private readonly hearing = byId('hearing', HTMLParagraphElement);
  private readonly search = byId('search', HTMLInputElement);
  private readonly noneFound = byId('none-found', HTMLParagraphElement);
  private readonly all = byId('show-all', HTMLButtonElement);
  private readonly rows = new Map<string, PersonRow>();
  private readonly order = new Order();
  private readonly menu: PersonMenu;
  readonly wished: Readonly<Record<Wish, Set<string>>> = { pin: new Set(), exclude: new Set() };
  private readonly tell: (wish: Wish, numbers: number[]) => void;
  /** The servers of clients, if there are several. */
  private places: ReadonlyMap<string, string> = new Map();
  private client: VoiceClient | null = null;
  private showsAll = false;
  private ordered = 0;

  /** @param tell is called after each choice, with all numbers that the user has pinned or excluded. */
  constructor(tell: (wish: Wish, numbers: number[]) => void) {
    this.tell = tell;
    this.menu = new PersonMenu({
      wish: (key, wish) => this.toggle(key, wish),
      volume: (userid, volume) => {
        this.client?.setVolume(userid, volume);
        this.refresh();
      },
    });
    this.search.addEventListener('input', () => this.cut());
    this.all.addEventListener('click', () => {
      this.showsAll = !this.showsAll;
      this.cut();
    });
    PHONE.addEventListener('change', () => this.cut());
  }

  /** Takes which server each of these clients is connected to. */
  locate(places: readonly Place[]): void {
    this.places = new Map(places.map((place) => [keyOf(place), place.instance]));
  }

  /** Empties the list and forgets the choices, because the user has changed or left the room. */
  clear(): void {
    for (const keys of Object.values(this.wished)) keys.clear();
    for (const key of [...this.rows.keys()]) this.remove(key);
    this.order.clear();
    this.search.value = '';
    setText(this.hearing, '');
    this.showsAll = false;
    this.ordered = 0;
  }

  show(client: VoiceClient): void {
    this.client = client;
    const { participants, total } = client;
    const present = new Map([...participants.values()].map((participant) => [keyOf(participant), participant]));
    for (const key of [...this.rows.keys()]) if (!present.has(key)) this.remove(key);
    const views = [...present].map(([key, participant]) => ({ key, view: this.viewOf(key, participant, client) }));
    let added = false;
    for (const { key, view } of views) added = this.paint(key, view) || added;
    this.arrange(views, added);
    this.cut();
    setText(this.title, `People (${total})`);
    setText(this.hearing, this.hearingLine(client));
    this.list.dataset['slots'] = String(client.slots.length);
    const hidden = total - participants.size;
    this.more.hidden = hidden <= 0;
    setText(this.more, `And ${hidden} more. A large room does not list quiet people.`);
  }

  private refresh(): void {
    if (this.client !== null) this.show(this.client);
  }

  private hearingLine({ slots, total }: VoiceClient): string {
    const places = slots.filter(({ available }) => available).length;
    if (total === 0) return 'Connecting …';
    if (total === 1) return 'Nobody else is here yet. Invite somebody, or add bots in the developer tools.';
    const line = places === 1 ? 'You hear one voice at a time.' : `You hear up to ${places} voices at a time.`;
    const pinned = [...this.wished.pin].filter((key) => this.rows.has(key)).length;
    return pinned === 0 ? line : `${line} Pinned: ${Math.min(pinned, places)} of ${places} places.`;
  }

  private viewOf(key: string, participant: Participant, client: VoiceClient): PersonView {
    const { number, userid, speaking } = participant;
    const slot = client.slots.find((one) => one.number === number && number !== 0);
    const speaker = client.speakers.find((one) => one.number === number);
    return {
      participant,
      isSelf: number === client.number,
      slot: slot?.index ?? null,
      level: speaking ? (speaker?.level ?? SOME_LEVEL) : 0,
      pinned: this.wished.pin.has(key),
      excluded: this.wished.exclude.has(key),
      volume: client.volumes.get(userid) ?? 1,
      place: this.places.get(key) ?? '',
    };
  }

  /** Paints a row. @returns whether it is new. */
  private paint(key: string, view: PersonView): boolean {
    const before = this.rows.get(key);
    const row = before ?? new PersonRow(view.participant, view.isSelf ? null : (button) => this.openMenu(key, button));
    row.paint(view);
    this.rows.set(key, row);
    return before === undefined;
  }

  /** Orders the list, but not under the user's pointer or focus, and not too often. */
  private arrange(views: readonly { key: string; view: PersonView }[], added: boolean): void {
    const now = Date.now();
    const people = views.map(({ key, view }) => ({
      key,
      name: nameOf(view.participant),
      isSelf: view.isSelf,
      active: view.slot !== null || view.pinned || view.participant.hand === true,
    }));
    this.order.note(people, now);
    const busy =
      (POINTER.matches && this.list.matches(':hover')) ||
      this.list.querySelector(':focus-visible') !== null ||
      this.menu.isOpen;
    if (!added && (busy || now - this.ordered < REORDER_MS)) return;
    this.ordered = now;
    const itemOf = ({ key }: { key: string }): HTMLElement => this.rows.get(key)!.item;
    const wanted = busy
      ? [...this.list.children, ...people.map(itemOf).filter((item) => item.parentNode === null)]
      : this.order.arrange(people).map(itemOf);
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    wanted.forEach((item, i) => {
      // Moving an element takes the focus from it, so only what is elsewhere is moved.
      if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null);
    });
    if (focused instanceof HTMLElement && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** Hides who does not match the search, and the end of a long list. */
  private cut(): void {
    const wanted = this.search.value.trim().toLocaleLowerCase();
    const limit = this.showsAll || wanted !== '' ? Number.POSITIVE_INFINITY : PHONE.matches ? FEW : MANY;
    let found = 0;
    for (const item of this.list.children as HTMLCollectionOf<HTMLElement>) {
      const matches = item.querySelector('.name')!.textContent!.toLocaleLowerCase().includes(wanted);
      if (matches) found += 1;
      // Who has the focus stays.
      item.hidden = !matches || (found > limit && !item.contains(document.activeElement));
    }
    const many = PHONE.matches ? FEW : MANY;
    this.all.hidden = wanted !== '' || found <= many;
    setText(this.all, this.showsAll ? 'Show fewer' : `Show all ${found}`);
    setText(this.noneFound, wanted !== '' && found === 0 ? 'Nobody here has that name.' : '');
  }

  private remove(key: string): void {
    const row = this.rows.get(key);
    if (row === undefined) return;
    const held = row.item.contains(document.activeElement) || this.menu.close(key);
    row.item.remove();
    this.rows.delete(key);
    // The focus must not fall to the top of the page.
    if (held) this.search.focus();
  }

  private openMenu(key: string, button: HTMLButtonElement): void {
    const participant = [...(this.client?.participants.values() ?? [])].find((one) => keyOf(one) === key);
    if (participant === undefined || this.client === null) return;
    const view = this.viewOf(key, participant, this.client);
    this.menu.open(key, view, this.hearingLine(this.client), button);
  }

  private toggle(key: string, wish: Wish): void {
    const keys = this.wished[wish];
    if (!keys.delete(key)) keys.add(key);
    const { client } = this;
    if (client === null) return;
    this.show(client);
    const participants = [...client.participants.values()];
    const chosen = participants.filter((participant) => keys.has(keyOf(participant)));
    this.tell(
      wish,
      chosen.map(({ number }) => number),
    );
    const participant = participants.find((one) => keyOf(one) === key);
    if (participant !== undefined) this.menu.paint(this.viewOf(key, participant, client), this.hearingLine(client));
  }
}
