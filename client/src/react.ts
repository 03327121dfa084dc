/** A hook for React 18 and newer: `import { useVoice } from '@beep/webrtc-client/react'`. */
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { type Choices, watchChoices } from './choices.ts';
import {
  type ClientEvents,
  type ClientOptions,
  type ClientState,
  type MicrophoneState,
  type Participant,
  type Speaker,
  VoiceClient,
  type VoiceError,
} from './index.ts';

/** What a component shows of a client. A new object whenever something of it has changed. */
export interface Voice {
  /** For everything that is to be done: `join`, `mute`, `setVolume` … Null before the first effect, so also on a server. */
  readonly client: VoiceClient | null;
  readonly state: ClientState;
  /**
   * What failed last: an attempt to connect, the connection, a join, or what the event `error` tells. In the state `closed`
   * it says why, and is null if the application has closed the client. Null once the client is connected again or the
   * user is in another conversation.
   */
  readonly error: VoiceError | null;
  readonly conversation: string | null;
  /** Whether an operator has taken the user out of their conversation; until they are in one again. */
  readonly kicked: boolean;
  /** This client's number among the participants; 0 in no conversation. */
  readonly number: number;
  readonly participants: readonly Participant[];
  /** Whose voices arrive now, the loudest first. */
  readonly speakers: readonly Speaker[];
  readonly muted: boolean;
  /** Whether an operator has muted the user. */
  readonly silenced: boolean;
  /** Whether the user may speak. */
  readonly speak: boolean;
  readonly hand: boolean;
  readonly deafened: boolean;
  readonly microphone: MicrophoneState | null;
  /** Whether the browser plays nothing until `client.resume()` is called from a click. */
  readonly audioBlocked: boolean;
  readonly recording: boolean;
  /** When the next attempt to connect begins, milliseconds since 1970; null unless the client pauses before it. */
  readonly retryAt: number | null;
  /**
   * Does again what failed, for a button; always the same function. Once the client is closed, it makes and connects
   * another one, with the latest options and with mute, deafness, volumes, microphone and output as they were. In a
   * pause between two attempts, it tries at once. If the user is in no conversation, they join that of the options.
   * Otherwise it does nothing.
   */
  readonly retry: () => void;
}

/** What is taken from a client. */
type Seen = Omit<Voice, 'retry'>;

const NOBODY: Seen = {
  client: null,
  state: 'idle',
  error: null,
  conversation: null,
  kicked: false,
  number: 0,
  participants: [],
  speakers: [],
  muted: false,
  silenced: false,
  speak: true,
  hand: false,
  deafened: false,
  microphone: null,
  audioBlocked: false,
  recording: false,
  retryAt: null,
};

/** The events after which {@link Voice} may be another. */
const CHANGES: readonly (keyof ClientEvents)[] = [
  'participants',
  'speakers',
  'muted',
  'microphone',
  'audioBlocked',
  'recording',
];

/**
 * Connects a client for as long as the component is mounted. `options.conversation` may change: the user then joins the
 * other one, or leaves for `undefined`. Another `url` makes another client. All other options count as they are when the
 * client is made, except `token`, which is taken from the latest render.
 *
 * Nothing is thrown: `error` has what went wrong.
 */
export function useVoice(options: ClientOptions): Voice {
  const latest = useRef(options);
  latest.current = options;
  const [seen, setSeen] = useState(NOBODY);
  const [beginning, begin] = useReducer((count: number) => count + 1, 0);
  const { url, conversation } = options;
  /** The conversation that the client was told last. */
  const wanted = useRef(conversation);
  const current = useRef<Run | null>(null);
  /** What the next client begins with. */
  const kept = useRef<Choices | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each beginning has a client of its own
  useEffect(() => {
    let run: Run | null = null;
    // StrictMode mounts twice, so the first of the two must not connect.
    const timer = setTimeout(() => {
      wanted.current = latest.current.conversation;
      run = start({ ...latest.current, url }, latest, kept.current, setSeen);
      kept.current = null;
      current.current = run;
    });
    return () => {
      clearTimeout(timer);
      run?.client.close();
      current.current = null;
      setSeen(NOBODY);
    };
  }, [url, beginning]);
  const { client } = seen;
  useEffect(() => {
    const run = current.current;
    // With another `url`, the client of this render is closed, and the next one has yet to be made.
    if (run === null || run.client !== client || conversation === wanted.current) return;
    wanted.current = conversation;
    run.move(conversation);
  }, [client, conversation]);
  const retry = useCallback(() => {
    const run = current.current;
    const { conversation } = latest.current;
    if (run === null || run.client.state === 'closed') {
      kept.current = run?.choices() ?? kept.current;
      begin();
    } else if (run.client.retryAt !== null) run.client.reconnect();
    else if (run.client.state === 'connected' && run.client.conversation === null && conversation !== undefined)
      run.move(conversation);
  }, []);
  return useMemo(() => ({ ...seen, retry }), [seen, retry]);
}

interface Run {
  readonly client: VoiceClient;
  /** Moves the user, or takes them out, and shows what fails. */
  move(conversation: string | undefined): void;
  choices(): Choices;
}

function start(
  options: ClientOptions,
  latest: { readonly current: ClientOptions },
  kept: Choices | null,
  setSeen: (change: (last: Seen) => Seen) => void,
): Run | null {
  let client: VoiceClient;
  try {
    client = new VoiceClient({ ...options, ...kept?.options, ...tokenOf(options, latest) });
  } catch (error) {
    setSeen((last) => ({ ...last, error: error as VoiceError }));
    return null;
  }
  for (const [userid, volume] of kept?.volumes ?? []) client.setVolume(userid, volume);
  let error: VoiceError | null = null;
  let kicked = false;
  // What a client tells after its component is gone, or has another one, must not be shown.
  const show = (first = false): void =>
    setSeen((last) => (first || last.client === client ? { ...stateOf(client), error, kicked } : last));
  for (const name of CHANGES) client.on(name, () => show());
  const take = (value: VoiceError | null): void => {
    error = value;
    show();
  };
  client.on('state', (change) => take(change.error));
  client.on('retry', (attempt) => {
    // A connection that stands is all right, although there is no other one yet.
    if (client.state !== 'connected') take(attempt.error);
  });
  client.on('conversation', (change) => {
    kicked = change.kicked;
    take(change.error);
  });
  client.on('error', take);
  const choices = watchChoices(client);
  // A newer move, and the end, tell of themselves.
  const takeFailure = (failure: VoiceError): void => {
    if (failure.code !== 'superseded' && failure.code !== 'closed') take(failure);
  };
  client.connect().catch(takeFailure);
  show(true);
  const move = (conversation: string | undefined): void => {
    // The next client begins where the options say.
    if (client.state === 'closed') return;
    const moving = conversation === undefined ? client.leave() : client.join(conversation);
    moving.then(() => take(null), takeFailure);
  };
  return { client, move, choices };
}

/** A token that is asked for when it is needed, so that it need not be the first one. */
function tokenOf({ token }: ClientOptions, latest: { readonly current: ClientOptions }): Pick<ClientOptions, 'token'> {
  if (token === undefined) return {};
  return {
    token: async () => {
      const now = latest.current.token ?? '';
      return typeof now === 'string' ? now : now();
    },
  };
}

function stateOf(client: VoiceClient): Omit<Seen, 'error' | 'kicked'> {
  const { state, conversation, number, muted, silenced, speak, hand, deafened, audioBlocked, recording } = client;
  return {
    client,
    state,
    conversation,
    number,
    participants: [...client.participants.values()],
    speakers: client.speakers,
    muted,
    silenced,
    speak,
    hand,
    deafened,
    microphone: client.microphone,
    audioBlocked,
    recording,
    retryAt: client.retryAt,
  };
}
