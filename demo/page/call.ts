/** The view of a call: shows a client's state, and passes the user's choices to the client. */
import type { ClientEvents, Participant, VoiceClient, VoiceError } from '@beep/webrtc-client';
import { Banners } from './banners.ts';
import { Bar } from './bar.ts';
import type { Place } from './bots.ts';
import { Charts } from './charts.ts';
import { byId, setText } from './dom.ts';
import type { EventLog } from './log.ts';
import { LostConnection } from './lost.ts';
import { MicrophoneLine } from './microphone-line.ts';
import { Panels } from './panels.ts';
import { keyOf, People } from './people.ts';
import { nameOf } from './person.ts';
import { SoundBlocked } from './sound-blocked.ts';

const TITLE = document.title;
const STATES: Readonly<Record<VoiceClient['state'], string>> = {
  idle: 'Not connected',
  connecting: 'Connecting …',
  connected: 'Connected',
  reconnecting: 'Connection lost',
  closed: 'Not connected',
};
const RECORDED = 'This room is being recorded.';
const PARTIAL = 'Other servers cannot be reached. You hear only some of the people here.';
const SILENCED = 'An operator has muted you. Nobody hears you until an operator unmutes you.';
const SILENCED_TALK = 'You are talking, but an operator has muted you. Nobody hears you.';
const AUDIENCE = 'You are listening. To speak, raise your hand.';
const AUDIENCE_TALK = 'You are talking, but you may only listen. To speak, raise your hand.';
const ASKING = 'You have raised your hand. The others see that you ask to speak.';
const MUTED_TALK = 'You are talking, but you are muted.';
const DEAFENED = 'You are deafened: you hear nobody, and the others see it.';

export interface CallEvents {
  /** Takes an error to show to the user. */
  problem(error: unknown): void;
  /** The call has ended, but the user did not end it. */
  over(): void;
  /** Returns whether the test tone replaces the microphone. */
  playsTone(): boolean;
  /** The user gives up the microphone, or tries again. */
  listenOnly(): void;
  retryMicrophone(): void;
  /** The user is in this room now. */
  entered(room: string): void;
}

/** How long people still come back after all servers can be reached again, milliseconds. */
const SETTLE_MS = 10_000;
/** Most people in a room whose comings and goings are shown to everybody. */
const FEW = 20;
const REPLACED = 'You have joined with this name elsewhere, perhaps in another tab. Join again to be here instead.';

type On = <Name extends keyof ClientEvents>(name: Name, show: (value: ClientEvents[Name]) => void) => void;

export class CallView {
  private readonly log: EventLog;
  private readonly events: CallEvents;
  private readonly title = byId('call-title', HTMLHeadingElement);
  private readonly state = byId('state', HTMLParagraphElement);
  private readonly recording = byId('recording', HTMLParagraphElement);
  private readonly charts = new Charts();
  private readonly banners = new Banners();
  private readonly panels = new Panels();
  private readonly lost = new LostConnection();
  private readonly blocked = new SoundBlocked();
  private readonly bar: Bar;
  private readonly people: People;
  private readonly microphone: MicrophoneLine;
  private client: VoiceClient | null = null;
  private room: string | null = null;
  /** Whether the user talks although nobody hears them. */
  private talksMuted = false;
  /** Until when people come and go because servers can or cannot be reached, rather than by themselves. */
  private unsettled = 0;
  /** The participants shown last, by {@link keyOf}; null until there is a first list. */
  private known: Map<string, Participant> | null = null;

  constructor(log: EventLog, events: CallEvents) {
    this.log = log;
    this.events = events;
    this.bar = new Bar(events);
    this.microphone = new MicrophoneLine(events);
    this.people = new People((wish, numbers) => {
      this.client?.[wish](numbers).catch((error: unknown) => events.problem(error));
    });
  }

  /** Shows that the user is on their way into a room. */
  expect(room: string): void {
    setText(this.title, room);
    setText(this.state, STATES.connecting);
    this.state.dataset['state'] = 'connecting';
  }

  /** Whether the user has chosen to be muted. */
  get choseMute(): boolean {
    return this.bar.choseMute;
  }

  /** Shows this client from now on. */
  watch(client: VoiceClient): void {
    this.client = client;
    const on: On = (name, show) => {
      client.on(name, (value) => {
        if (this.client === client) show(value);
      });
    };
    this.bar.watch(client);
    this.watchConnection(client, on);
    this.watchPeople(client, on);
    this.watchSound(client, on);
    this.showMuted(client);
    this.people.show(client);
  }

  private watchConnection(client: VoiceClient, on: On): void {
    on('state', ({ state, error }) => this.showState(client, state, error));
    on('retry', ({ error }) => {
      this.state.title = error.message;
      this.lost.show(client, true);
    });
    on('statistics', (statistics) => this.charts.push(client.state === 'connected' ? statistics : null));
    on('quality', () => this.showQuality(client));
    on('draining', () => this.log.tell('The server is shutting down. The call moves to another server by itself.'));
    on('cluster', ({ whole }) => {
      this.banners.set('cluster', whole ? null : PARTIAL);
      this.unsettled = whole ? Date.now() + SETTLE_MS : Number.POSITIVE_INFINITY;
      if (whole) this.log.tell('All servers can be reached again. You hear everybody.');
      else this.log.add(PARTIAL);
    });
    on('error', (error) => this.events.problem(error));
  }

  private watchPeople(client: VoiceClient, on: On): void {
    on('conversation', ({ conversation, kicked, error }) => this.moved(conversation, kicked, error));
    on('participants', () => {
      this.moved(client.conversation, false, null);
      this.showPeople(client);
    });
    on('slots', () => this.people.show(client));
    on('speakers', () => this.people.show(client));
    on('recording', (recording) => {
      setText(this.recording, recording ? RECORDED : '');
      this.log.add(recording ? RECORDED : 'This room is not recorded any more.');
    });
  }

  private watchSound(client: VoiceClient, on: On): void {
    on('muted', () => this.showMuted(client));
    on('level', (level) => this.bar.glow(level));
    on('mutedTalk', (talks) => {
      this.talksMuted = talks;
      this.showMuted(client);
    });
    on('microphoneSilent', (silent) =>
      this.banners.set('silent', silent ? 'Your microphone is silent. Is it switched off, or the wrong one?' : null),
    );
    on('microphone', (state) => {
      this.microphone.show(state);
      this.bar.show();
    });
    on('deviceLost', ({ kind, label }) => {
      const what = kind === 'input' ? 'microphone' : 'loudspeaker';
      this.log.tell(`The ${what} ${label} is gone. The default one replaces it.`);
    });
    on('audioBlocked', () => this.blocked.show(client));
  }

  /** Shows which server each of these clients is connected to. */
  locate(places: readonly Place[]): void {
    this.people.locate(places);
    if (this.client !== null) this.people.show(this.client);
  }

  /** Stops showing the client. */
  forget(): void {
    this.client = null;
    this.bar.watch(null);
    this.lost.show(null);
    this.blocked.show(null);
    this.panels.closeAll();
    this.banners.clear();
    this.people.clear();
    this.microphone.clear();
    this.known = null;
    this.room = null;
    this.talksMuted = false;
    this.unsettled = 0;
    document.title = TITLE;
    setText(this.recording, '');
    setText(this.state, STATES.idle);
    this.state.dataset['state'] = 'idle';
  }

  /** Moves the keyboard focus to the start of the call. */
  focus(): void {
    this.title.focus();
  }

  private showState(client: VoiceClient, state: VoiceClient['state'], error: VoiceError | null): void {
    const wasLost = this.state.dataset['state'] === 'reconnecting';
    this.state.dataset['state'] = state;
    this.state.title = error?.message ?? '';
    this.showQuality(client);
    this.lost.show(client);
    if (state === 'connected' && wasLost) this.log.tell('You are connected again.');
    else if (state === 'connected') this.log.add('Connected.');
    if (state === 'reconnecting')
      this.log.add(error === null ? 'Reconnecting.' : 'The connection is lost. Reconnecting automatically.');
    if (state !== 'closed' || error === null) return;
    this.end(error.code === 'replaced' ? REPLACED : error);
  }

  /** Ends the call with the reason why. */
  private end(why: unknown): void {
    this.events.over();
    this.events.problem(why);
  }

  private showQuality({ state, statistics: { quality } }: VoiceClient): void {
    const weak = state === 'connected' && (quality === 'fair' || quality === 'poor');
    this.state.dataset['quality'] = weak ? quality : '';
    setText(this.state, weak ? `Connection: ${quality}` : STATES[state]);
  }

  private moved(conversation: string | null, kicked: boolean, error: VoiceError | null): void {
    if (conversation === null) {
      // The page shows nothing without a room, and a message that fades would leave the user in the dark.
      const room = this.room ?? 'the room';
      if (error !== null) this.end(error);
      else if (kicked) this.end(`An operator has removed you from ${room}.`);
      else if (this.room !== null) this.end(`You have left ${room}.`);
      return;
    }
    if (error !== null) this.events.problem(error);
    if (conversation === this.room) return;
    this.room = conversation;
    this.known = null;
    this.log.forget();
    this.people.clear();
    setText(this.title, conversation);
    document.title = `${conversation} – ${TITLE}`;
    this.log.add(`You are in ${conversation}.`);
    this.events.entered(conversation);
  }

  private showPeople(client: VoiceClient): void {
    this.people.show(client);
    if (client.number === 0) return;
    const now = new Map([...client.participants.values()].map((participant) => [keyOf(participant), participant]));
    const before = this.known;
    this.known = now;
    if (before === null) return;
    this.log.loud = client.total <= FEW;
    const settled = Date.now() > this.unsettled;
    for (const [key, participant] of now) {
      if (settled && !before.has(key)) this.log.joined(nameOf(participant));
      if (participant.hand === true && before.get(key)?.hand !== true && participant.number !== client.number)
        this.log.tell(`${nameOf(participant)} asks to speak.`);
    }
    for (const [key, participant] of before) if (settled && !now.has(key)) this.log.left(nameOf(participant));
  }

  private showMuted(client: VoiceClient): void {
    const { silenced, deafened, speak, hand } = client;
    const talks = this.talksMuted;
    this.bar.show();
    this.banners.set('silenced', silenced ? (talks ? SILENCED_TALK : SILENCED) : null);
    this.banners.set('audience', speak ? null : hand ? ASKING : talks ? AUDIENCE_TALK : AUDIENCE);
    this.banners.set('muted-talk', talks && speak && !silenced ? MUTED_TALK : null, {
      label: 'Unmute',
      act: () => this.bar.unmute(),
    });
    this.banners.set('deafened', deafened ? DEAFENED : null, {
      label: 'Hear again',
      act: () => client.deafen(false),
    });
  }
}
