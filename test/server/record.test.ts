/** `npm run record`: real clients send tones to a real server, and the files have the same tones at the same times. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, is, match, ok } from 'uvu/assert';
import { misalignment, pulsesOf } from '../support/alignment.ts';
import { ClientHost, type TestClient } from '../support/client.ts';
import { fileOf, freshFolder, manifestOf, Recorder, runRecorder } from '../support/recorder.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { TapReader } from '../support/tap-reader.ts';
import { decode, opusInfo, RATE, shareOf, soundsOf, tonePackets, withOpusTools } from '../support/tones.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('record');
const host = new ClientHost();
const FFMPEG = existsSync('/usr/bin/ffmpeg');

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer();
  return running;
};

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

async function enter(userid: string, room: string): Promise<void> {
  const { url } = await server();
  is((await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(userid) })).status, 200);
}

async function connect(userid: string, room: string, hertz?: number): Promise<TestClient> {
  const client = await host.connect((await server()).url, userid, { slots: 1, levelId: 1, keeps: false });
  is(client.close.code, 1000);
  if (hertz !== undefined) await client.sound(tonePackets(hertz));
  await enter(userid, room);
  return client;
}

async function record(room: string, out: string, more: readonly string[] = []): Promise<Recorder> {
  const { adminUrl } = await server();
  const recorder = new Recorder(['--conversation', room, '--out', out, '--url', adminUrl, ...more]);
  await recorder.says('recording');
  return recorder;
}

withOpusTools(
  test,
  'tones in are the same tones out, aligned within 20 ms, with moves, mutes and reconnections',
  async () => {
    const [room, away] = [fresh('room'), fresh('away')];
    const tones = { [fresh('ann')]: 440, [fresh('bob')]: 660, [fresh('cid')]: 880 };
    const [ann, bob, cid] = Object.keys(tones) as [string, string, string];
    const out = freshFolder();
    const recorder = await record(room, out);
    const truth = await new TapReader((await server()).adminUrl, room, '?recording=0').opened();
    const clients = new Map<string, TestClient>();
    for (const [name, hertz] of Object.entries(tones)) clients.set(name, await connect(name, room, hertz));
    const of = (name: string): TestClient => clients.get(name)!;
    await of(ann).talk();
    await of(ann).knows((view) => view.recording);
    await pause(1500);
    await of(bob).talk();
    await of(cid).talk();
    await pause(2500);
    // A client that moves goes on to send; one that is muted in the server, too.
    await enter(bob, away);
    await of(cid).request({ v: 1, type: 'mute', muted: true });
    await of(ann).hush();
    await pause(1500);
    await enter(bob, room);
    await of(cid).request({ v: 1, type: 'mute', muted: false });
    await of(ann).talk();
    await pause(2000);
    await of(ann).end();
    clients.set(ann, await connect(ann, room, tones[ann]));
    await of(ann).talk();
    await pause(1500);
    for (const client of clients.values()) await client.hush();
    await pause(500);
    is(await recorder.stop(), 0);
    for (const client of clients.values()) await client.end();
    truth.socket.close();

    const manifest = manifestOf(out);
    is(manifest.parts.length, 1);
    is(manifest.lost, 0);
    ok(manifest.ended !== null && manifest.error === undefined);
    const begin = Math.min(...truth.packets.map(({ arrival }) => arrival));
    for (const [name, hertz] of Object.entries(tones)) {
      const { path, packets, dropped, malformed } = fileOf(out, name);
      equal([packets + dropped, malformed], [truth.of(name).length, 0], name);
      ok(dropped <= 2, `${name}: ${dropped} dropped`);
      match(opusInfo(path), 'Packet duration:  120.0ms (max)');
      ok(!/WARNING|ERROR/.test(opusInfo(path)), opusInfo(path));
      const samples = decode(path);
      const [sounds, pulses] = [soundsOf(samples), pulsesOf(truth.of(name), tonePackets(hertz), begin)];
      ok(pulses.length >= 3, `${name} has ${pulses.length} pulses`);
      const off = misalignment(sounds, pulses);
      ok(off <= 0.02, `${name} is ${off} s off: ${JSON.stringify(sounds)} instead of ${JSON.stringify(pulses)}`);
      for (const [from, to] of pulses) {
        for (const [other, otherHertz] of Object.entries(tones)) {
          const share = shareOf(otherHertz, samples, from + 0.05, to - 0.05);
          if (other === name) ok(share > 0.95, `${name} has ${share} of ${hertz} Hz`);
          else ok(share < 0.01, `${name} has ${share} of ${otherHertz} Hz`);
        }
      }
    }
    const events = readFileSync(join(out, 'events.jsonl'), 'utf8').trim().split('\n');
    ok(events.map((line) => JSON.parse(line)).some(({ type }) => type === 'participants'));
  },
  60,
);

withOpusTools(
  test,
  'parts follow one another without a gap, each with files that begin together',
  async () => {
    const room = fresh('room');
    const [ann, bob] = [fresh('ann/..\\'), fresh('bob')];
    const out = freshFolder();
    const recorder = await record(room, out, ['--rotate', '0.05', ...(FFMPEG ? ['--mix'] : [])]);
    const clients = [await connect(ann, room, 440), await connect(bob, room, 660)];
    for (const client of clients) await client.talk();
    await until('there are three parts', () => manifestOf(out).parts.length === 3);
    await pause(700);
    is(await recorder.stop('SIGTERM'), 0);
    for (const client of clients) await client.end();
    const { parts } = manifestOf(out);
    for (const [i, { offset, seconds, files }] of parts.entries()) {
      if (i > 0) ok(Math.abs(offset - parts[i - 1]!.offset - parts[i - 1]!.seconds) < 0.001);
      if (i < 2) ok(Math.abs(seconds - 3) < 0.05, `${seconds}`);
      is(files.length, 2);
      for (const file of files) ok(file.packets >= 50 * (seconds - file.first) - 5, JSON.stringify(file));
      // Files of one part stand in the order in which its packets came.
      const path = join(out, files.find(({ userid }) => userid === ann)!.file);
      // The last part may end before its first tone.
      if (i === 2) continue;
      const samples = decode(path);
      const share = shareOf(440, samples, 0, samples.length / RATE);
      ok(share > 0.3, `part ${i} has ${share} of its tone`);
      if (i > 0)
        ok(
          files.every(({ first }) => first < 0.06),
          JSON.stringify(files),
        );
      if (FFMPEG) ok(shareOf(440, decode(join(out, `part-00${i + 1}/mix.opus`)), 0, 2) > 0.1);
    }
    match(parts[0]!.files.map(({ file }) => file).join(' '), /^part-001\/001-[\p{L}\d-]+\.opus part-001\/002-/u);
  },
  60,
);

withOpusTools(
  test,
  'a recording goes on when the server has come back, and says how long it was away',
  async () => {
    const own = await startServer();
    const port = String(new URL(own.adminUrl).port);
    const room = fresh('room');
    const out = freshFolder();
    const recorder = new Recorder(['--conversation', room, '--out', out, '--url', own.adminUrl]);
    await recorder.says('recording');
    const join = (url: string) => fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader('ann') });
    const packets = tonePackets(440);
    const first = await host.connect(own.url, 'ann', { slots: 1 });
    await first.sound(packets);
    await join(own.url);
    await first.talk();
    await pause(1500);
    is(await own.stop(), 0);
    await first.end();
    await recorder.says('trying again');
    const next = await startServer({ ADMIN_LISTEN: `127.0.0.1:${port}` });
    await until('it records again', () => recorder.text.split('everybody in it').length === 3);
    const second = await host.connect(next.url, 'ann', { slots: 1 });
    await second.sound(packets);
    await join(next.url);
    await second.talk();
    await pause(1500);
    is(await recorder.stop(), 0);
    await second.end();
    is(await next.stop(), 0);
    const { interruptions, parts } = manifestOf(out);
    is(interruptions.length, 1);
    ok(interruptions[0]!.seconds! > 0);
    is(parts[0]!.files.length, 1);
    const sounds = soundsOf(decode(fileOf(out, 'ann').path));
    const longest = Math.max(...sounds.slice(1).map(([from], i) => from - sounds[i]![1]));
    ok(longest > interruptions[0]!.seconds!, 'the gap is there');
  },
  60,
);

test('a full disk is told, and what was recorded until then is there', async () => {
  const disk = mkdtempSync(join(tmpdir(), 'disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    console.log('skipped: record: a full disk (nothing can be mounted here)');
    return;
  }
  try {
    const room = fresh('room');
    const out = join(disk, 'out');
    const recorder = await record(room, out);
    const ann = await connect(fresh('ann'), room);
    await ann.sound([Buffer.concat([Buffer.from([0xf8]), Buffer.alloc(400, 7)])]);
    await ann.talk();
    is(await recorder.exited, 1);
    match(recorder.text, `the recording ended: the disk is full (${out})`);
    await ann.end();
    const [file] = readdirSync(join(out, 'part-001'));
    ok(
      readFileSync(join(out, 'part-001', file!))
        .subarray(0, 4)
        .equals(Buffer.from('OggS')),
    );
  } finally {
    execFileSync('umount', [disk]);
  }
}, 60);

test('what cannot be recorded is told at once', async () => {
  const { adminUrl } = await server();
  const out = freshFolder();
  const all = ['--conversation', 'a', '--out', out, '--url', adminUrl];
  for (const [args, code, text] of [
    [[], 2, /^--conversation is missing/],
    [['--conversation', 'a'], 2, /^--out is missing/],
    [[...all, '--rotate', 'x'], 2, /^--rotate must be/],
    [[...all, '--nonsense'], 2, /--nonsense/],
    [['--conversation', '\x01', '--out', freshFolder(), '--url', adminUrl], 1, /the server answered 400/],
  ] as const) {
    const result = await runRecorder(args);
    match(result.text, text);
    is(result.code, code);
  }
  mkdirSync(out);
  writeFileSync(join(out, 'file'), '');
  const { code, text } = await runRecorder(all);
  is(code, 1);
  match(text, 'is not empty');
});

test('the shared server ends', async () => {
  is(await (await server()).stop(), 0);
});

test.run();
