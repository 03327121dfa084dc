/** The list of people in the room, with buttons to pin and exclude them. */
import type { Participant, VoiceClient } from '@beep/webrtc-client';
import type { Place } from './bots.ts';
import { byId, make, makeFace, press, setText } from './dom.ts';

/** What the user can choose for another participant. */
type Wish = 'pin' | 'exclude';

interface Row {
  readonly item: HTMLLIElement;
  readonly what: HTMLElement;
  readonly buttons: Readonly<Record<Wish, HTMLButtonElement>>;
  readonly isSelf: boolean;
}

/** Returns a client's key. It stays the same when the participant's number changes. */
export const keyOf = ({ userid, clientid }: Pick<Participant, 'userid' | 'clientid'>): string =>
  JSON.stringify([userid, clientid]);

export class People {
  private readonly title = byId('people-title', HTMLHeadingElement);
  private readonly list = byId('people', HTMLUListElement);
  private readonly more = byId('more', HTMLParagraphElement);
  private readonly rows = new Map<string, Row>();
  private readonly wished: Readonly<Record<Wish, Set<string>>> = { pin: new Set(), exclude: new Set() };
  private readonly tell: (wish: Wish, numbers: number[]) => void;
  /** The servers of clients, if there are several. */
  private places: ReadonlyMap<string, string> = new Map();
  private client: VoiceClient | null = null;
  private self: HTMLLIElement | null = null;

  /** @param tell is called after each click on a button, with all numbers that the user has pinned or excluded. */
  constructor(tell: (wish: Wish, numbers: number[]) => void) {
    this.tell = tell;
  }

  /** Takes which server each of these clients is connected to. */
  locate(places: readonly Place[]): void {
    this.places = new Map(places.map((place) => [keyOf(place), place.instance]));
  }

  /** Empties the list and forgets the choices, because the user has changed or left the room. */
  clear(): void {
    for (const keys of Object.values(this.wished)) keys.clear();
    for (const { item } of this.rows.values()) item.remove();
    this.rows.clear();
  }

  show(client: VoiceClient): void {
    this.client = client;
    const { participants, total } = client;
    const present = new Map([...participants.values()].map((participant) => [keyOf(participant), participant]));
    for (const [key, { item }] of this.rows) {
      if (present.has(key)) continue;
      item.remove();
      this.rows.delete(key);
    }
    for (const [key, participant] of present) this.paint(key, participant, client);
    setText(this.title, `People (${total})`);
    const hidden = total - participants.size;
    this.more.hidden = hidden <= 0;
    setText(this.more, `And ${hidden} more. A large room does not list quiet people.`);
  }

  private paint(key: string, participant: Participant, client: VoiceClient): void {
    const { number, muted, speaking } = participant;
    const row = this.rows.get(key) ?? this.add(key, participant, number === client.number);
    row.item.classList.toggle('speaking', speaking && !muted);
    const slot = client.slots.find((one) => one.number === number);
    const words = [
      row.isSelf ? 'you' : '',
      muted ? 'muted' : speaking ? 'speaking' : '',
      slot === undefined ? '' : `voice ${slot.index + 1}`,
      client.dominant?.number === number ? 'main speaker' : '',
      this.wished.exclude.has(key) ? 'not heard' : '',
      this.places.get(key) ?? '',
    ];
    setText(row.what, words.filter((word) => word !== '').join(' · '));
    for (const wish of ['pin', 'exclude'] as const) press(row.buttons[wish], this.wished[wish].has(key));
  }

  private add(key: string, { userid }: Participant, isSelf: boolean): Row {
    const what = make('span', 'what');
    const who = make('div', 'who', make('span', 'name', userid), what);
    const buttons = { pin: this.button(key, 'pin', userid), exclude: this.button(key, 'exclude', userid) };
    const item = make('li', 'person', makeFace(userid), who);
    item.dataset['who'] = userid;
    if (!isSelf) item.append(make('div', 'choices', buttons.pin, buttons.exclude));
    const row = { item, what, buttons, isSelf };
    this.rows.set(key, row);
    this.place(row, userid);
    return row;
  }

  /** Puts a row into the list: the user first, then the others by name. */
  private place({ item, isSelf }: Row, userid: string): void {
    const others = [...this.list.children] as HTMLLIElement[];
    const after = (other: HTMLLIElement): boolean =>
      other !== this.self && other.dataset['who']!.localeCompare(userid) > 0;
    const next = isSelf ? others[0] : others.find(after);
    if (isSelf) this.self = item;
    this.list.insertBefore(item, next ?? null);
  }

  private button(key: string, wish: Wish, userid: string): HTMLButtonElement {
    const unseen = make('span', 'unseen', ` ${userid}`);
    const button = make('button', '', wish === 'pin' ? 'Pin' : 'Exclude', unseen);
    button.type = 'button';
    button.title = wish === 'pin' ? `Always hear ${userid}` : `Never hear ${userid}`;
    button.addEventListener('click', () => {
      const keys = this.wished[wish];
      if (!keys.delete(key)) keys.add(key);
      if (this.client === null) return;
      this.show(this.client);
      const chosen = [...this.client.participants.values()].filter((participant) => keys.has(keyOf(participant)));
      this.tell(
        wish,
        chosen.map(({ number }) => number),
      );
    });
    return button;
  }
}
