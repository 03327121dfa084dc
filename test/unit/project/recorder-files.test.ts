/** The files of a recording: their names, and how often new ones begin. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, is, ok, throws } from 'uvu/assert';
import { readOptions } from '../../../recorder/options.ts';
import { Part } from '../../../recorder/part.ts';
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

test('parts are no shorter than three seconds', () => {
  const rotate = (text: string) => readOptions(['--conversation', 'a', '--out', 'b', '--rotate', text]).rotate;
  is(rotate('0.05'), 0.05);
  is(rotate('1440'), 1440);
  for (const bad of ['0', '0.0000001', '0.04', '1440.5']) throws(() => rotate(bad), /--rotate must be/);
  ok(rotate('1.5') === 1.5);
});

test.run();
