/** A voice room in React: `npm run example -- react` bundles and serves it. */
import { useVoice } from '@beep/webrtc-client/react';
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';

function Room({ name }: { readonly name: string }) {
  // The development gateway takes the token for the user bob.
  const voice = useVoice({ url: '/webrtc', token: 'bob.tab', slots: 3, conversation: name });
  const { client, state, error, kicked, participants, speakers, muted, audioBlocked, retry } = voice;
  const speaking = new Set(speakers.map(({ number }) => number));
  return (
    <section>
      <p role="status">{error === null ? state : `${state}: ${error.message}`}</p>
      {(state === 'closed' || kicked) && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
      {audioBlocked && (
        <button type="button" onClick={() => client?.resume()}>
          Hear the others
        </button>
      )}
      <button type="button" onClick={() => client?.mute(!muted)}>
        {muted ? 'Unmute' : 'Mute'}
      </button>
      <ul>
        {participants.map(({ number, userid }) => (
          <li key={number}>
            {userid}
            {speaking.has(number) && ' speaks'}
          </li>
        ))}
      </ul>
    </section>
  );
}

function App() {
  const [name, setName] = useState<string | null>(null);
  return (
    <>
      <h1>{name ?? 'Voice rooms'}</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setName(String(new FormData(event.currentTarget).get('room')));
        }}
      >
        <input name="room" aria-label="Room" defaultValue="kitchen" required />
        <button type="submit">Join</button>
      </form>
      {name !== null && (
        <button type="button" onClick={() => setName(null)}>
          Leave
        </button>
      )}
      {name !== null && <Room name={name} />}
    </>
  );
}

createRoot(document.getElementById('app')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
