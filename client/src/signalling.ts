/** The websocket: one offer goes, one answer comes, candidates follow, and it closes with 1000 once the connection stands. */
import { closeError, VoiceError } from './errors.ts';
import { connectUrl, type Endpoint, explainRefusal } from './http.ts';

/** The normal end. */
const CONNECTED = 1000;

/**
 * Exchanges the offer for the answer and sends candidates.
 *
 * @param offer made while the socket opens. @param signal ends everything.
 * @returns `answered` once the answer is applied; `refused` never resolves, and rejects as soon as the server gives up.
 */
export function signal(
  api: Endpoint,
  pc: RTCPeerConnection,
  offer: Promise<void>,
  abort: AbortSignal,
): { answered: Promise<void>; refused: Promise<never> } {
  let refuse: (error: unknown) => void = () => undefined;
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  // It may be lost after nobody listens any more.
  refused.catch(() => undefined);
  const answered = exchange(api, pc, offer, abort, refuse);
  return { answered, refused };
}

async function exchange(
  api: Endpoint,
  pc: RTCPeerConnection,
  offer: Promise<void>,
  abort: AbortSignal,
  refuse: (error: unknown) => void,
): Promise<void> {
  const socket = new WebSocket(await connectUrl(api, 'ws', abort));
  abort.addEventListener('abort', () => socket.close(), { once: true });
  if (abort.aborted) socket.close();
  let opened = false;
  socket.onclose = ({ code, reason }) => {
    if (code === CONNECTED || abort.aborted) return;
    if (opened || code !== 1006) refuse(closeError(code, reason));
    else explainRefusal(api, abort).then(refuse, refuse);
  };
  const answer = new Promise<string>((resolve) => {
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') resolve(data);
    };
  });
  await new Promise<void>((resolve) => {
    socket.onopen = () => {
      opened = true;
      resolve();
    };
  });
  await offer;
  pc.onicecandidate = ({ candidate }) => {
    if (candidate !== null && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(candidate));
  };
  // With the candidates that there are by now.
  socket.send(pc.localDescription?.sdp ?? '');
  const sdp = await answer;
  try {
    await pc.setRemoteDescription({ type: 'answer', sdp });
  } catch (error) {
    const text = `The browser does not take the server's answer: ${error instanceof Error ? error.message : error}.`;
    throw new VoiceError('incompatible', text, { cause: error });
  }
}
