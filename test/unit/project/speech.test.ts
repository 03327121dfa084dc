/** What the bots say: the recordings in the repository, and the reader of their files. */
import { readdirSync, readFileSync } from 'node:fs';
import { equal, is, ok, throws } from 'uvu/assert';
import { readVoices, SPEECH } from '../../../demo/speech/library.ts';
import { readOggOpus } from '../../../demo/speech/ogg.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('speech');

const FILE = readFileSync(new URL('ada-1.opus', SPEECH));
/** Pages of an Ogg file: the two headers, then the sound. */
const SOUND_PAGE = FILE.indexOf('OggS', FILE.indexOf('OpusTags'));

test('every recording is read, and there is a level for every packet', () => {
  const voices = readVoices();
  const sentences = voices.flatMap((voice) => voice.sentences);
  is(voices.length, 10);
  is(sentences.length, readdirSync(SPEECH).filter((name) => name.endsWith('.opus')).length);
  for (const { packets, levels } of sentences) {
    is(levels.length, packets.length);
    ok(packets.length >= 50 && packets.length <= 250, `${packets.length * 20} ms`);
    const loud = levels.filter((level) => level < 35).length / levels.length;
    ok(loud > 0.4, `${loud} of it is loud`);
    ok(Math.min(...levels) >= 5, 'nothing is cut off at full scale');
  }
});

test('the recordings are small', () => {
  const bytes = readdirSync(SPEECH).reduce((sum, name) => sum + readFileSync(new URL(name, SPEECH)).length, 0);
  ok(bytes < 300_000, String(bytes));
});

test('packets come out as long as the granule position says, in whole', () => {
  const { packets, preSkip } = readOggOpus(FILE);
  const lastPage = FILE.lastIndexOf('OggS');
  const end = Number(FILE.readBigInt64LE(lastPage + 6));
  is(preSkip, 312);
  ok(packets.length * 960 >= end && (packets.length - 1) * 960 < end, `${packets.length} packets, ${end} samples`);
});

test('a packet over 255 bytes, and one that goes on on the next page, is put together', () => {
  const long = Buffer.concat([Buffer.of(0x48), Buffer.alloc(599, 7)]);
  const headers = FILE.subarray(0, SOUND_PAGE);
  const file = Buffer.concat([
    headers,
    page([255, 255], long.subarray(0, 510)),
    page([90, 0, 2], Buffer.concat([long.subarray(510), Buffer.of(0x48, 9)])),
  ]);
  throws(() => readOggOpus(file), 'not one frame of 20 ms', 'an empty packet');
  const whole = Buffer.concat([
    headers,
    page([255, 255], long.subarray(0, 510)),
    page([90, 2], Buffer.concat([long.subarray(510), Buffer.of(0x48, 9)])),
  ]);
  equal(readOggOpus(whole).packets.map(Buffer.from), [long, Buffer.of(0x48, 9)]);
});

test('a file that is cut off anywhere is an error in words, and nothing else', () => {
  const { length } = readOggOpus(FILE).packets;
  for (let end = 0; end < FILE.length; end += end < 400 ? 1 : 97) {
    let packets = 0;
    try {
      packets = readOggOpus(FILE.subarray(0, end)).packets.length;
    } catch (error) {
      ok(/cut off|not Opus/.test((error as Error).message), `${end}: ${error}`);
    }
    // Only between two pages nobody can see it.
    ok(packets < length, String(end));
  }
});

test('what is not Ogg, not Opus or not in frames of 20 ms is refused', () => {
  throws(() => readOggOpus(Buffer.from('RIFF'.repeat(20))), 'no Ogg page at 0');
  const vorbis = Buffer.from(FILE);
  vorbis.write('OpusBody', FILE.indexOf('OpusHead'));
  throws(() => readOggOpus(vorbis), 'not Opus');
  for (const toc of [0x40, 0x49, 0xf0, 0x60]) {
    const other = Buffer.concat([FILE.subarray(0, SOUND_PAGE), page([1], Buffer.of(toc))]);
    throws(() => readOggOpus(other), '20 ms', toc.toString(16));
  }
});

/** One page with these lacing values. */
function page(lengths: number[], body: Buffer): Buffer {
  const header = Buffer.alloc(27);
  header.write('OggS');
  header[26] = lengths.length;
  return Buffer.concat([header, Buffer.from(lengths), body]);
}

test.run();
