/** The files of a recording: their names, and how often new ones begin. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, is, ok, throws } from 'uvu/assert';
import { readOptions } from '../../../recorder/options.ts';
import { Part } from '../../../recorder/part.ts';
import { type Manifest, Recording } from '../../../recorder/recording.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('recorder files');

test('whatever a userid has, its file is in the folder, under the very name that the manifest tells', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-files-'));
  mkdirSync(join(folder, 'part-001'));
  const errors: Error[] = [];
  const part = new Part(folder, 1, 0, (error) => errors.push(error));
  const userids = ['../../etc/passwd', '..', '\0', '\ud840', `${'a'.repeat(39)}\u{20000}`, '\u{20000}'.repeat(200)];
  for (const [i, userid] of userids.entries()) {
    const media = { payloadType: 111, redPayloadType: 0, levelExtension: 0 };
    const payload = Buffer.from([0xf8, 1, 2, 3]);
    part.take(
      { v: 1, type: 'speaker', number: i + 1, userid, clientid: 'phone', ...media },
      0,
      rtp({ sequence: 1, payload }),
    );
  }
  await part.close(1e6);
  equal(errors, []);
  const told = part.entries().map(({ file }) => file.replace('part-001/', ''));
  is(told.length, userids.length);
  equal(readdirSync(join(folder, 'part-001')).sort(), told.sort());
  rmSync(folder, { recursive: true });
});

const MEDIA = { payloadType: 111, redPayloadType: 0, levelExtension: 0 };

/** Begins a recording of conversation `a` in a folder of its own. @returns also its clock, in microseconds. */
function begin(): { folder: string; recording: Recording; clock: { now: number } } {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-files-'));
  const failed = (error: Error): never => {
    throw error;
  };
  const clock = { now: 1e15 };
  const recording = new Recording({ conversation: 'a', out: folder, rotate: 60, failed, clock: () => clock.now });
  return { folder, recording, clock };
}

test('a recording goes on after an interruption in which the clock of the server went back', async () => {
  const { folder, recording, clock } = begin();
  const talk = (first: number, shift: number): void => {
    recording.opened();
    recording.event({ v: 1, type: 'speaker', number: 1, userid: 'ann', clientid: 'phone', ...MEDIA });
    for (let i = first; i < first + 100; i++) {
      clock.now += 20_000;
      const bytes = rtp({ sequence: i, timestamp: i * 960, payload: Buffer.from([0xf8, 1, 2, 3]) });
      recording.packets([{ speaker: 1, arrival: clock.now + shift, bytes }]);
      recording.tick();
    }
  };
  talk(0, 0);
  recording.interrupted('gone');
  talk(100, -3600e6);
  await recording.end();
  const { parts } = JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8')) as Manifest;
  is(parts.length, 1);
  is(parts[0]!.files[0]!.packets, 200);
  ok(Math.abs(parts[0]!.seconds - 4) < 0.1);
  rmSync(folder, { recursive: true });
});

test('who sends no Opus is named in the manifest, and nobody else', async () => {
  const { folder, recording, clock } = begin();
  recording.opened();
  for (const [i, userid] of ['ann', 'bob'].entries()) {
    recording.event({ v: 1, type: 'speaker', number: i + 1, userid, clientid: 'phone', ...MEDIA });
  }
  for (let i = 0; i < 60; i++) {
    clock.now += 20_000;
    for (const [speaker, payload] of [
      // As the browser client encrypts it; its silence stays as it is.
      [1, i < 5 ? Buffer.from([0xf8, 0xff, 0xfe]) : Buffer.from([0xff, 0x40, 0, 0, 1, 2, 3])],
      [2, Buffer.from([0xf8, 1, 2, 3])],
    ] as const) {
      recording.packets([{ speaker, arrival: clock.now, bytes: rtp({ sequence: i, timestamp: i * 960, payload }) }]);
    }
    equal([...recording.unreadable], i < 54 ? [] : ['ann']);
  }
  await recording.end();
  const { parts } = JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8')) as Manifest;
  equal(parts[0]!.unreadable, [{ userid: 'ann', clientid: 'phone', malformed: 55 }]);
  rmSync(folder, { recursive: true });
});

test('parts are no shorter than three seconds', () => {
  const rotate = (text: string) => readOptions(['--conversation', 'a', '--out', 'b', '--rotate', text]).rotate;
  is(rotate('0.05'), 0.05);
  is(rotate('1440'), 1440);
  for (const bad of ['0', '0.0000001', '0.04', '1440.5']) throws(() => rotate(bad), /--rotate must be/);
  ok(rotate('1.5') === 1.5);
});

test.run();
