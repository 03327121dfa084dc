/** A hook for React 18 and newer: `import { useVoice } from '@beep/webrtc-client/react'`. */
import { useEffect, useRef, useState } from 'react';
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
   * What failed last: the connection, a join, or what the event `error` tells. Null once the client is connected again or
   * the user is in another conversation.
   */
  readonly error: VoiceError | null;
  readonly conversation: string | null;
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
}

const NOBODY: Voice = {
  client: null,
  state: 'idle',
  error: null,
  conversation: null,
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
  'retry',
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
  const [voice, setVoice] = useState(NOBODY);
  const { url, conversation } = options;
  /** The conversation that the client was told last. */
  const wanted = useRef(conversation);
  const current = useRef<Run | null>(null);
  useEffect(() => {
    let run: Run | null = null;
    // StrictMode mounts twice, so the first of the two must not connect.
    const timer = setTimeout(() => {
      wanted.current = latest.current.conversation;
      run = start({ ...latest.current, url }, latest, setVoice);
      current.current = run;
    });
    return () => {
      clearTimeout(timer);
      run?.client.close();
      current.current = null;
      setVoice(NOBODY);
    };
  }, [url]);
  const { client } = voice;
  useEffect(() => {
    const run = current.current;
    // With another `url`, the client of this render is closed, and the next one has yet to be made.
    if (run === null || run.client !== client || conversation === wanted.current) return;
    wanted.current = conversation;
    const moving = conversation === undefined ? client.leave() : client.join(conversation);
    moving.then(() => run.report(null), run.report);
  }, [client, conversation]);
  return voice;
}

interface Run {
  readonly client: VoiceClient;
  /** Shows an error; null for none. */
  report(error: VoiceError | null): void;
}

function start(
  options: ClientOptions,
  latest: { readonly current: ClientOptions },
  setVoice: (change: (last: Voice) => Voice) => void,
): Run | null {
  let client: VoiceClient;
  try {
    client = new VoiceClient({ ...options, ...tokenOf(options, latest) });
  } catch (error) {
    setVoice((last) => ({ ...last, error: error as VoiceError }));
    return null;
  }
  let error: VoiceError | null = null;
  // What a client tells after its component is gone, or has another one, must not be shown.
  const show = (first = false): void =>
    setVoice((last) => (first || last.client === client ? { ...stateOf(client), error } : last));
  for (const name of CHANGES) client.on(name, () => show());
  const take = (value: VoiceError | null): void => {
    error = value;
    show();
  };
  client.on('state', (change) => take(change.error));
  client.on('conversation', (change) => take(change.error));
  client.on('error', take);
  client.connect().catch(take);
  show(true);
  return { client, report: take };
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

function stateOf(client: VoiceClient): Omit<Voice, 'error'> {
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
