/** Exchanges offer, answer and candidates over the websocket, which closes with 1000 once connected. */
import { closeError, VoiceError } from './errors.ts';
import { connectUrl, type Endpoint, explainRefusal } from './http.ts';

/** The normal close code. */
const CONNECTED = 1000;

/**
 * Exchanges the offer for the answer and sends candidates.
 *
 * @param offer settles once the offer is made, while the socket opens. @param abort aborts the exchange.
 * @returns `answered` resolves once the answer is applied; `refused` never resolves, but rejects on failure.
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
  // It may reject when nobody awaits it any more.
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
  // Includes the candidates gathered so far.
  socket.send(pc.localDescription?.sdp ?? '');
  const sdp = await answer;
  try {
    await pc.setRemoteDescription({ type: 'answer', sdp });
  } catch (error) {
    const text = `The browser rejected the server's answer: ${error instanceof Error ? error.message : error}.`;
    throw new VoiceError('incompatible', text, { cause: error });
  }
}
