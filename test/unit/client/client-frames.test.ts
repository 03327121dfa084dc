/** The frames that the browser client encrypts end to end: their format, keys, ratchet, and what is refused. */
import { createCipheriv, hkdfSync } from 'node:crypto';
import { equal, is, not, ok } from 'uvu/assert';
import { ENCRYPTION_OVERHEAD } from '../../../src/rtp/audio-level.ts';
import { isSilent, opusTicks } from '../../../src/rtp/opus.ts';
import { importClientPart } from '../../support/client-part.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client frames');

type Bytes = Uint8Array<ArrayBuffer>;
type Cipher = typeof import('../../../client/src/frame-cipher.ts');
type Keys = typeof import('../../../client/src/key-chain.ts');
type Encrypting = typeof import('../../../client/src/frame-encryption.ts');
type Decrypting = typeof import('../../../client/src/frame-decryption.ts');
type Ring = InstanceType<Keys['KeyRing']>;

const { OVERHEAD, deriveStreamKey, open, ratchet, readHeader, seal } =
  await importClientPart<Cipher>('frame-cipher.ts');
const { KEEP_MS, KeyChain, KeyRing } = await importClientPart<Keys>('key-chain.ts');
const { FrameEncryption } = await importClientPart<Encrypting>('frame-encryption.ts');
const { FrameDecryption } = await importClientPart<Decrypting>('frame-decryption.ts');

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const OTHER = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);
const STREAM = Uint8Array.from({ length: 8 }, (_, i) => 7 * i);
/** A frame of Opus of 20 ms, as far as its first byte says. */
const FRAME = Uint8Array.from({ length: 80 }, (_, i) => (i === 0 ? 0x78 : (i * 37) & 0xff));

/** A room with one shared key, and Ann who talks in it with number 5. */
function room({ key = KEY, ring = ringWith(KEY) }: { key?: Bytes; ring?: Ring } = {}) {
  const sender = new FrameEncryption(ringWith(key), () => undefined);
  sender.userid = 'ann';
  const told: [string, string | null][] = [];
  let now = 0;
  const listener = new FrameDecryption(
    ring,
    (userid, reason) => told.push([userid, reason]),
    () => now,
  );
  listener.setPeople(1, new Map([[5, 'ann']]));
  const pass = (ms: number): void => {
    now += ms;
  };
  return { sender, listener, told, ring, pass };
}

function ringWith(key: Bytes, keyId = 0): Ring {
  const ring = new KeyRing(null);
  ring.supply('', keyId, key, 0, 0);
  return ring;
}

const text = (bytes: Bytes | null): string => (bytes === null ? 'null' : Buffer.from(bytes).toString('hex'));

test('a frame that was still on its way when its connection ended is dropped at once, and brings nothing back', async () => {
  const { sender, listener } = room();
  listener.setPeople(2, new Map([[5, 'ann']]));
  listener.end(1);
  const begun = performance.now();
  is(await listener.decrypt(1, 5, (await sender.encrypt(FRAME))!), null);
  ok(performance.now() - begun < 400, 'it waits for no event');
  is(listener.counts.unknown, 0);
  is(text(await listener.decrypt(2, 5, (await sender.encrypt(FRAME))!)), text(FRAME));
});

test('a frame has the documented bytes, and neither the server nor an Opus decoder takes it for Opus', async () => {
  const header = { keyId: 3, step: 2, counter: 0x01020304, streamId: STREAM };
  const key = await deriveStreamKey(KEY, 'ann', header);
  const sealed = await seal(FRAME, header, key);
  is(text(sealed.slice(0, 16)), `ff40030201020304${text(STREAM)}`);
  is(sealed.length, FRAME.length + OVERHEAD);
  is(OVERHEAD, ENCRYPTION_OVERHEAD);
  equal(readHeader(sealed), header);
  is(text(await open(sealed, header, key)), text(FRAME));
  is(opusTicks(sealed, 0, sealed.length), 0, 'no duration');
  for (const length of [0, 1, 2, 3]) {
    const short = await seal(FRAME.slice(0, length), header, key);
    not(isSilent(short, 0, short.length));
    is(text(await open(short, header, key)), text(FRAME.slice(0, length)));
  }
  // The same by Node's own functions, so that no version stops understanding another by accident.
  const bits = Buffer.from(hkdfSync('sha256', KEY, STREAM, 'backend-webrtc frame 3 2 ann', 44));
  const nonce = bits.subarray(32);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ header.counter) >>> 0, 8);
  const cipher = createCipheriv('aes-256-gcm', bits.subarray(0, 32), nonce).setAAD(sealed.slice(0, 16));
  is(
    text(sealed.slice(16)),
    Buffer.concat([cipher.update(FRAME), cipher.final(), cipher.getAuthTag()]).toString('hex'),
  );
  is(text(await ratchet(KEY)), Buffer.from(hkdfSync('sha256', KEY, '', 'backend-webrtc ratchet', 32)).toString('hex'));
});

test('a changed bit anywhere, another user, step, key id or key makes a frame unreadable', async () => {
  const header = { keyId: 0, step: 0, counter: 9, streamId: STREAM };
  const key = await deriveStreamKey(KEY, 'ann', header);
  const sealed = await seal(FRAME, header, key);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1 << (at % 8);
    const read = readHeader(changed);
    if (read !== null) is(await open(changed, read, key), null, `byte ${at}`);
    else ok(at < 2, `byte ${at}`);
  }
  for (const [base, userid, other] of [
    [OTHER, 'ann', header],
    [KEY, 'ben', header],
    [KEY, 'ann', { ...header, step: 1 }],
    [KEY, 'ann', { ...header, keyId: 1 }],
    [KEY, 'ann', { ...header, streamId: FRAME.slice(0, 8) }],
  ] as const) {
    is(await open(sealed, header, await deriveStreamKey(base, userid, other)), null);
  }
});

test('truncated frames and random bytes never throw, and none is played', async () => {
  const { sender, listener } = room();
  const sealed = (await sender.encrypt(FRAME))!;
  for (let length = 0; length < sealed.length; length++) {
    is(await listener.decrypt(1, 5, sealed.slice(0, length)), null, `${length}`);
  }
  const random = prng(seed('client frames'));
  for (let i = 0; i < 300; i++) {
    const bytes = Uint8Array.from({ length: below(random, 100) }, () => below(random, 256));
    if (i % 2 === 0) bytes.set([0xff, 0x40, 0, 0].slice(0, bytes.length));
    is(await listener.decrypt(1, 5, bytes), null);
  }
  const { notEncrypted, wrongKey } = listener.counts;
  ok(notEncrypted > 100 && wrongKey > 50, JSON.stringify(listener.counts));
  is(text(await listener.decrypt(1, 5, sealed)), text(FRAME));
});

test('frames of silence pass both ways, and nothing else unencrypted does', async () => {
  const { sender, listener, told } = room();
  is(text(await sender.encrypt(SILENCE)), text(SILENCE));
  is(text(await listener.decrypt(1, 5, SILENCE)), text(SILENCE));
  for (const plain of [
    FRAME,
    Uint8Array.of(0xf8),
    Uint8Array.of(0xfc, 0xff, 0xfe),
    Uint8Array.of(0xf8, 0xff, 0xfe, 0),
  ]) {
    is(await listener.decrypt(1, 5, plain), null);
    const sealed = (await sender.encrypt(plain))!;
    is(sealed.length, plain.length + OVERHEAD);
  }
  equal(told, []);
  for (let i = 0; i < 9; i++) is(await listener.decrypt(1, 5, FRAME), null);
  equal(told, [['ann', 'not-encrypted']], 'told once');
  ok((await listener.decrypt(1, 5, (await sender.encrypt(FRAME))!)) !== null);
  equal(told, [
    ['ann', 'not-encrypted'],
    ['ann', null],
  ]);
});

test('nothing is sent before the user is known, or without a key', async () => {
  const sender = new FrameEncryption(ringWith(KEY), () => undefined);
  is(await sender.encrypt(FRAME), null);
  const missing: number[] = [];
  const keyless = new FrameEncryption(new KeyRing(null), (keyId) => missing.push(keyId));
  keyless.userid = 'ann';
  for (let i = 0; i < 3; i++) is(await keyless.encrypt(FRAME), null);
  equal(missing, [0], 'told once');
});

test('no nonce repeats: each frame has another counter, and each client, also of the same user, another stream', async () => {
  const [one, two] = [room().sender, room().sender];
  const frames = await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? one : two).encrypt(FRAME)));
  is(new Set(frames.map((frame) => text(frame!.slice(4, 16)))).size, 200);
  is(new Set(frames.map((frame) => text(frame!.slice(8, 16)))).size, 2);
});

test('a frame is played once on each connection, and one from long ago on none', async () => {
  const { sender, listener } = room();
  const frames: Bytes[] = [];
  for (let i = 0; i < 600; i++) frames.push((await sender.encrypt(FRAME))!);
  ok((await listener.decrypt(1, 5, frames[1]!)) !== null);
  ok((await listener.decrypt(1, 5, frames[0]!)) !== null, 'late');
  is(await listener.decrypt(1, 5, frames[1]!), null, 'again');
  listener.setPeople(2, new Map([[8, 'ann']]));
  ok((await listener.decrypt(2, 8, frames[1]!)) !== null, 'on the next connection');
  is(await listener.decrypt(2, 8, frames[1]!), null);
  ok((await listener.decrypt(2, 8, frames[599]!)) !== null);
  is(await listener.decrypt(1, 5, frames[2]!), null, 'too old on the other, too');
  ok((await listener.decrypt(1, 5, frames[300]!)) !== null);
  is(listener.counts.replayed, 3);
});

test('the sound of one user cannot be passed off as that of another', async () => {
  const { sender, listener, told } = room();
  const sealed = async (): Promise<Bytes> => (await sender.encrypt(FRAME))!;
  listener.setPeople(
    1,
    new Map([
      [5, 'ann'],
      [6, 'ben'],
    ]),
  );
  is(await listener.decrypt(1, 6, await sealed()), null, 'before Ann was heard');
  ok((await listener.decrypt(1, 5, await sealed())) !== null);
  for (let i = 0; i < 6; i++) is(await listener.decrypt(1, 6, await sealed()), null);
  equal(told, [['ben', 'wrong-key']]);
});

test('a frame waits for the event that says whose it is, and a stream is known again after a reconnection', async () => {
  const { sender, listener } = room();
  listener.setPeople(1, new Map());
  const early = listener.decrypt(1, 5, (await sender.encrypt(FRAME))!);
  listener.setPeople(1, new Map([[5, 'ann']]));
  is(text(await early), text(FRAME));
  is(text(await listener.decrypt(1, 77, (await sender.encrypt(FRAME))!)), text(FRAME), 'with a number still unknown');
  const stranger = room().sender;
  is(await listener.decrypt(1, 78, (await stranger.encrypt(FRAME))!), null, 'nobody says whose');
  is(listener.counts.unknown, 1);
});

test('a ratcheted key is followed forwards without a gap, and back only for a while', async () => {
  const mine = ringWith(KEY);
  const sender = new FrameEncryption(mine, () => undefined);
  sender.userid = 'ann';
  const { listener, ring, pass } = room();
  const old = [(await sender.encrypt(FRAME))!, (await sender.encrypt(FRAME))!, (await sender.encrypt(FRAME))!];
  ok(await (await mine.of('', 0, 0))!.advance(1, 0));
  const next = (await sender.encrypt(FRAME))!;
  is(next[3], 1);
  ok((await listener.decrypt(1, 5, next)) !== null, 'ahead of the listener');
  ok((await listener.decrypt(1, 5, old[0]!)) !== null, 'the listener is still there');
  const chain = (await ring.of('', 0, 0))!;
  ok(await chain.advance(1, 0));
  ok((await listener.decrypt(1, 5, old[1]!)) !== null, 'kept');
  pass(KEEP_MS);
  is(await listener.decrypt(1, 5, old[2]!), null, 'no longer kept');
  const straggler = new FrameEncryption(ringWith(KEY), () => undefined);
  straggler.userid = 'ann';
  is(await listener.decrypt(1, 5, (await straggler.encrypt(FRAME))!), null, 'nor for a stream that is new');
  is(listener.counts.noKey, 2);
  // Far ahead: wild steps must not cost much.
  is(await chain.at(200, 0), null);
  is(await new KeyChain(KEY, 255).advance(256, 0), false);
});

test('with another key id both keys are good for a while, then the old one is not', async () => {
  const { sender, listener, ring, told, pass } = room();
  ok((await listener.decrypt(1, 5, (await sender.encrypt(FRAME))!)) !== null);
  ring.supply('', 1, OTHER, 0, 0);
  ring.retire('', 1, 0);
  ok((await listener.decrypt(1, 5, (await sender.encrypt(FRAME))!)) !== null, 'old');
  const next = new FrameEncryption(ringWith(OTHER, 1), () => undefined);
  next.userid = 'ann';
  next.keyId = 1;
  ok((await listener.decrypt(1, 5, (await next.encrypt(FRAME))!)) !== null, 'new');
  pass(KEEP_MS);
  for (let i = 0; i < 5; i++) is(await listener.decrypt(1, 5, (await sender.encrypt(FRAME))!), null);
  equal(told, [['ann', 'no-key']]);
  ok((await listener.decrypt(1, 5, (await next.encrypt(FRAME))!)) !== null);
  equal(told, [
    ['ann', 'no-key'],
    ['ann', null],
  ]);
});

test('keys of users are asked for once, frames wait for them, and a refusal holds for two seconds', async () => {
  const asked: string[] = [];
  const ring: Ring = new KeyRing((userid, keyId) => {
    asked.push(`${userid} ${keyId}`);
    if (userid === 'ann') setTimeout(() => ring.supply(userid, keyId, KEY, 0, 0), 20);
    else setTimeout(() => ring.supply(userid, keyId, null, 0, 0), 20);
  });
  const { sender, listener, told, pass } = room({ ring });
  listener.setPeople(
    1,
    new Map([
      [5, 'ann'],
      [6, 'ben'],
    ]),
  );
  const both = [(await sender.encrypt(FRAME))!, (await sender.encrypt(FRAME))!];
  const opened = await Promise.all(both.map((frame) => listener.decrypt(1, 5, frame)));
  ok(opened.every((frame) => frame !== null));
  const ben = room().sender;
  ben.userid = 'ben';
  for (let i = 0; i < 6; i++) is(await listener.decrypt(1, 6, (await ben.encrypt(FRAME))!), null);
  equal(asked, ['ann 0', 'ben 0']);
  equal(told, [['ben', 'no-key']]);
  pass(2001);
  is(await listener.decrypt(1, 6, (await ben.encrypt(FRAME))!), null);
  is(asked.length, 3);
});

test.run();
