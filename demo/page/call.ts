/** The view of a call: shows a client's state, and passes the user's choices to the client. */
import type { ClientEvents, Participant, VoiceClient, VoiceError } from '@beep/webrtc-client';
import type { Place } from './bots.ts';
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

/** Shown while the room is recorded. */
const RECORDED = 'This room is being recorded.';
/** Shown while the server cannot reach the others of its cluster. */
const PARTIAL = 'Other servers cannot be reached; you hear only some of the people here.';

export interface CallEvents {
  /** Takes an error to show to the user. */
  problem(error: unknown): void;
  /** The call has ended, but the user did not end it. */
  over(): void;
  /** Returns whether the test tone replaces the microphone. */
  playsTone(): boolean;
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
  private readonly cluster = byId('cluster', HTMLParagraphElement);
  private readonly recording = byId('recording', HTMLParagraphElement);
  private readonly voices = new Voices();
  private readonly charts = new Charts();
  private readonly people: People;
  private client: VoiceClient | null = null;
  private room: string | null = null;
  /** The participants shown last, by {@link keyOf}; null until there is a first list. */
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
    on('mutedTalk', (talks) => {
      if (talks) this.log.add('You are talking, but you are muted.');
    });
    on('microphone', ({ label, error, track }) => {
      const sent =
        track === null
          ? 'You are not sending sound.'
          : this.events.playsTone()
            ? 'You are sending the test tone.'
            : label;
      setText(this.microphone, error?.message ?? sent);
    });
    on('deviceLost', ({ kind, label }) =>
      this.log.add(`The ${kind} device ${label} is gone. The default one replaces it.`),
    );
    on('audioBlocked', (blocked) => {
      this.play.hidden = !blocked;
      if (blocked) this.log.add('The browser plays sound only after a click: press “Play sound”.');
    });
    on('statistics', (statistics) => this.charts.push(client.state === 'connected' ? statistics : null));
    on('draining', () => this.log.add('The server is shutting down. The call moves to another server by itself.'));
    on('cluster', ({ whole }) => {
      setText(this.cluster, whole ? '' : PARTIAL);
      this.log.add(whole ? 'All servers can be reached again.' : PARTIAL);
    });
    on('recording', (recording) => {
      setText(this.recording, recording ? RECORDED : '');
      this.log.add(recording ? RECORDED : 'This room is not recorded any more.');
    });
    on('error', (error) => this.events.problem(error));
    this.showMuted(client);
    this.showVoices(client);
  }

  /** Shows which server each of these clients is connected to. */
  locate(places: readonly Place[]): void {
    this.people.locate(places);
    if (this.client !== null) this.people.show(this.client);
  }

  /** Stops showing the client. */
  forget(): void {
    this.client = null;
    this.people.clear();
    this.known = null;
    this.room = null;
    this.play.hidden = true;
    setText(this.cluster, '');
    setText(this.recording, '');
    setText(this.state, STATES.idle);
    this.state.dataset['state'] = 'idle';
  }

  /** Moves the keyboard focus to the start of the call. */
  focus(): void {
    this.title.focus();
  }

  private showState(state: VoiceClient['state'], error: VoiceError | null): void {
    setText(this.state, STATES[state]);
    this.state.dataset['state'] = state;
    this.state.title = error?.message ?? '';
    if (state === 'connected') this.log.add('Connected.');
    if (state === 'reconnecting')
      this.log.add(error === null ? 'Reconnecting.' : 'The connection is lost. Reconnecting automatically.');
    if (state !== 'closed' || error === null) return;
    this.events.problem(error);
    this.events.over();
  }

  private moved(conversation: string | null, kicked: boolean, error: VoiceError | null): void {
    if (error !== null) this.events.problem(error);
    if (kicked) this.log.add('An operator removed you from the room.');
    if (conversation === this.room) return;
    this.room = conversation;
    this.known = null;
    this.log.forget();
    this.people.clear();
    setText(this.title, conversation === null ? 'Not in a room' : `In ${conversation}`);
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
