/**
 * A page whose only component uses the React hook, in StrictMode. `window.voice` is what the hook returned last, and
 * `window.opened` counts what the browser was asked for.
 */
import { useVoice } from '@beep/webrtc-client/react';
import { createElement, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

const tracks = [];
const connections = [];
/** What the hook has shown, one entry for each change. */
let shown = [];

const { mediaDevices } = navigator;
const ask = mediaDevices.getUserMedia.bind(mediaDevices);
mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  tracks.push(...stream.getTracks());
  return stream;
};
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...rest) {
    super(...rest);
    connections.push(this);
  }
};

function Room({ options }) {
  const voice = useVoice({ url: location.origin, ...options });
  const { state, error, conversation, kicked } = voice;
  window.voice = voice;
  const line = [state, error?.code ?? null, conversation, kicked];
  if (line.join() !== shown.at(-1)?.join()) shown.push(line);
  return createElement('button', { type: 'button', onClick: voice.retry }, state);
}

const root = createRoot(document.body.appendChild(document.createElement('div')));

window.page = {
  /** Shows the component with these options, or with other ones. */
  show(options) {
    root.render(createElement(StrictMode, null, createElement(Room, { options })));
  },
  hide() {
    root.render(null);
  },
  /** What the hook shows now. */
  voice() {
    const { client, state, error, conversation, kicked, participants, muted, retryAt, microphone } = window.voice;
    return {
      ...{ state, conversation, kicked, muted, pausing: retryAt !== null },
      error: error && { code: error.code, status: error.status, message: error.message },
      people: participants.map(({ userid }) => userid).sort(),
      volumes: client && [...client.volumes],
      microphone: microphone?.error?.code ?? microphone?.track?.readyState ?? null,
    };
  },
  /** What it has shown since the last call. */
  shown() {
    const all = shown;
    shown = [];
    return all;
  },
  /** What is open now. */
  open: () => ({
    microphones: tracks.filter(({ readyState }) => readyState === 'live').length,
    connections: connections.filter(({ signalingState }) => signalingState !== 'closed').length,
  }),
  /** How often a microphone has been opened. */
  asked: () => tracks.length,
};
