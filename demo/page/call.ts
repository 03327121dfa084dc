/** A call: one client with everything that shows it. */
import type { ClientEvents, Participant, VoiceClient, VoiceError } from '@beep/webrtc-client';
import { Charts } from './charts.ts';
import { byId, press, setText } from './dom.ts';
import type { EventLog } from './log.ts';
import { keyOf, People } from './people.ts';
import { Voices } from './voices.ts';

const STATES: Readonly<Record<VoiceClient['state'], string>> = {
  idle: 'not connected',
  connecting: 'connecting …',
  connected: 'connected',
  reconnecting: 'reconnecting …',
  closed: 'not connected',
};

export interface CallEvents {
  /** Something the user should read. */
  problem(error: unknown): void;
  /** The call is over, and not by the user's own doing. */
  over(): void;
  /** Whether the test tone takes the microphone's place. */
  toned(): boolean;
}

export class CallView {
  private readonly log: EventLog;
  private readonly events: CallEvents;
  private readonly title = byId('call-title', HTMLHeadingElement);
  private readonly state = byId('state', HTMLParagraphElement);
  private readonly mute = byId('mute', HTMLButtonElement);
  private readonly deafen = byId('deafen', HTMLButtonElement);
  private readonly play = byId('play', HTMLButtonElement);
  private readonly microphone = byId('microphone', HTMLParagraphElement);
  private readonly voices = new Voices();
  private readonly charts = new Charts();
  private readonly people: People;
  private client: VoiceClient | null = null;
  private room: string | null = null;
  /** Who was there, by {@link keyOf}; null before anybody has said. */
  private known: Map<string, Participant> | null = null;

  constructor(log: EventLog, events: CallEvents) {
    this.log = log;
    this.events = events;
    this.people = new People((wish, numbers) => {
      this.client?.[wish](numbers).catch((error: unknown) => events.problem(error));
    });
    this.mute.addEventListener('click', () => this.client?.mute(!this.client.muted));
    this.deafen.addEventListener('click', () => this.client?.deafen(!this.client.deafened));
    this.play.addEventListener('click', () => void this.client?.resume());
  }

  /** Shows this client from now on. */
  watch(client: VoiceClient): void {
    this.client = client;
    const on = <Name extends keyof ClientEvents>(name: Name, show: (value: ClientEvents[Name]) => void): void => {
      client.on(name, (value) => {
        if (this.client === client) show(value);
      });
    };
    on('state', ({ state, error }) => this.showState(state, error));
    on('retry', ({ delay, error }) => {
      setText(this.state, `reconnecting in ${(delay / 1000).toFixed(1)} s …`);
      this.state.title = error.message;
    });
    on('conversation', ({ conversation, kicked, error }) => this.moved(conversation, kicked, error));
    on('participants', () => {
      this.moved(client.conversation, false, null);
      this.showPeople(client);
    });
    on('dominant', () => this.people.show(client));
    on('slots', () => {
      this.showVoices(client);
      this.people.show(client);
    });
    on('speakers', () => this.showVoices(client));
    on('muted', () => this.showMuted(client));
    on('microphone', ({ label, error, track }) => {
      const sent = track === null ? 'Nothing is sent.' : this.events.toned() ? 'The test tone is sent.' : label;
      setText(this.microphone, error?.message ?? sent);
    });
    on('deviceLost', ({ kind, label }) =>
      this.log.add(`The ${kind} ${label} is gone; the default one takes its place.`),
    );
    on('audioBlocked', (blocked) => {
      this.play.hidden = !blocked;
      if (blocked) this.log.add('The browser waits for a click before it plays: press “Play the sound”.');
    });
    on('statistics', (statistics) => this.charts.push(client.state === 'connected' ? statistics : null));
    on('draining', () => this.log.add('The server shuts down; the call moves on by itself.'));
    on('error', (error) => this.events.problem(error));
    this.showMuted(client);
    this.showVoices(client);
  }

  /** Shows nobody any more. */
  forget(): void {
    this.client = null;
    this.people.clear();
    this.known = null;
    this.room = null;
    this.play.hidden = true;
    setText(this.state, STATES.idle);
    this.state.dataset['state'] = 'idle';
  }

  /** Puts the keyboard where the call begins. */
  focus(): void {
    this.title.focus();
  }

  private showState(state: VoiceClient['state'], error: VoiceError | null): void {
    setText(this.state, STATES[state]);
    this.state.dataset['state'] = state;
    this.state.title = error?.message ?? '';
    if (state === 'connected') this.log.add('Connected.');
    if (state === 'reconnecting')
      this.log.add(error === null ? 'Connecting anew.' : 'The connection is lost; reconnecting by itself.');
    if (state !== 'closed' || error === null) return;
    this.events.problem(error);
    this.events.over();
  }

  private moved(conversation: string | null, kicked: boolean, error: VoiceError | null): void {
    if (error !== null) this.events.problem(error);
    if (kicked) this.log.add('An operator took you out of the room.');
    if (conversation === this.room) return;
    this.room = conversation;
    this.known = null;
    this.log.forget();
    this.people.clear();
    setText(this.title, conversation === null ? 'In no room' : `In ${conversation}`);
    if (conversation !== null) this.log.add(`You are in ${conversation}.`);
  }

  private showPeople(client: VoiceClient): void {
    this.people.show(client);
    this.showVoices(client);
    if (client.number === 0) return;
    const now = new Map([...client.participants.values()].map((participant) => [keyOf(participant), participant]));
    const before = this.known;
    this.known = now;
    if (before === null) return;
    for (const [key, { userid }] of now) if (!before.has(key)) this.log.joined(userid);
    for (const [key, { userid }] of before) if (!now.has(key)) this.log.left(userid);
  }

  private showVoices(client: VoiceClient): void {
    this.voices.show(client);
  }

  private showMuted({ muted, silenced, deafened }: VoiceClient): void {
    press(this.mute, muted);
    press(this.deafen, deafened);
    setText(this.mute, silenced ? 'Muted by an operator' : 'Mute');
    this.mute.disabled = silenced;
  }
}
