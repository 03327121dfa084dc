/** The worker that all frames of a client pass through. `client/build.ts` bundles it on its own. */
import type { Command, Notice, TransformOptions } from './encryption-messages.ts';
import { FrameDecryption } from './frame-decryption.ts';
import { FrameEncryption } from './frame-encryption.ts';
import { type KeyChain, KeyRing } from './key-chain.ts';

/** How often the counts are told, milliseconds. */
const COUNTS_MS = 1000;

/** What this needs of a frame (RTCEncodedAudioFrame). */
interface Frame {
  data: ArrayBuffer;
  getMetadata(): { readonly contributingSources?: readonly number[] };
}

/** What this needs of a worker's global scope, which TypeScript's types for pages do not have. */
interface Scope {
  onmessage: ((event: { readonly data: Command }) => void) | null;
  onrtctransform:
    | ((event: {
        readonly transformer: {
          readonly options: TransformOptions;
          readonly readable: ReadableStream<Frame>;
          readonly writable: WritableStream<Frame>;
        };
      }) => void)
    | null;
  postMessage(notice: Notice): void;
}

const scope = self as unknown as Scope;
let keys = new KeyRing(null);
let encryption = new FrameEncryption(keys, () => undefined);
let decryption = new FrameDecryption(keys, () => undefined);
let told = '';

function start({ shared, keyId, userid }: Extract<Command, { type: 'start' }>): void {
  keys = new KeyRing(shared ? null : (userid, keyId) => scope.postMessage({ type: 'ask', userid, keyId }));
  encryption = new FrameEncryption(keys, (keyId) => scope.postMessage({ type: 'unsent', keyId }));
  encryption.keyId = keyId;
  encryption.userid = userid;
  decryption = new FrameDecryption(keys, (userid, reason) => scope.postMessage({ type: 'decryption', userid, reason }));
  setInterval(() => {
    const text = JSON.stringify(decryption.counts);
    if (text !== told) scope.postMessage({ type: 'counts', counts: decryption.counts });
    told = text;
  }, COUNTS_MS);
  scope.postMessage({ type: 'ready' });
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'start':
      return start(data);
    case 'key':
      return keys.supply(data.userid, data.keyId, data.key, data.step, performance.now());
    case 'use':
      return void use(data.id, data.keyId, 0);
    case 'ratchet':
      return void use(data.id, encryption.keyId, 1);
    case 'self':
      encryption.userid = data.userid;
      return;
    case 'people':
      return decryption.setPeople(data.connection, data.userids);
    case 'end':
      return decryption.end(data.connection);
    case 'streams':
      return pipe(data, data.readable, data.writable);
    default:
      data satisfies never;
  }
};

/** Sends with a key from now on, some steps further. Nothing changes if the application has no such key. */
async function use(id: number, keyId: number, steps: number): Promise<void> {
  // Whoever asked waits for an answer, whatever happens.
  const chain = await goTo(keyId, steps).catch(() => null);
  scope.postMessage({ type: 'done', id, key: chain?.key ?? null, step: chain?.step ?? 0 });
}

async function goTo(keyId: number, steps: number): Promise<KeyChain | null> {
  const owner = keys.shared ? '' : encryption.userid;
  const chain = owner === null ? null : await keys.of(owner, keyId, performance.now());
  if (owner === null || chain === null) return null;
  if (!(await chain.advance(chain.step + steps, performance.now()))) return null;
  encryption.keyId = keyId;
  keys.retire(owner, keyId, performance.now());
  return chain;
}

/** Passes frames through the cipher, in order. What cannot be encrypted or decrypted goes no further. */
function pipe({ side, connection }: TransformOptions, readable: ReadableStream, writable: WritableStream): void {
  const transform = async (frame: Frame, controller: TransformStreamDefaultController<Frame>): Promise<void> => {
    const data = new Uint8Array(frame.data);
    const number = frame.getMetadata().contributingSources?.[0] ?? 0;
    const cipher = side === 'send' ? encryption.encrypt(data) : decryption.decrypt(connection, number, data);
    // A cipher that fails must not end the stream, and even less let the frame pass.
    const result = await cipher.catch(() => null);
    if (result === null) return;
    frame.data = result.buffer;
    controller.enqueue(frame);
  };
  readable
    .pipeThrough(new TransformStream({ transform }))
    .pipeTo(writable)
    .catch(() => undefined);
}

scope.onrtctransform = ({ transformer: { options, readable, writable } }) => pipe(options, readable, writable);
