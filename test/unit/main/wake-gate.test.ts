/** Which packets are worth waking a worker for. */
import { equal, ok } from 'uvu/assert';
import { WakeGate } from '../../../src/main/media/wake-gate.ts';
import { connectionId, SOURCE_WORDS, SourceWord, Wakes } from '../../../src/workers/protocol.ts';
import { anyRtp, rtp } from '../../support/packets.ts';
import { prng } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('wake gate');
const ID = connectionId(2, 5);
const PUBLICATION = { payloadType: 111, redPayloadType: 0, levelExtension: 3, ssrcs: [] };

function setUp(wakes: number) {
  const sources = new Int32Array(4 * SOURCE_WORDS).fill(Wakes.None);
  sources[2 * SOURCE_WORDS + SourceWord.Wakes] = wakes;
  const gate = new WakeGate(sources);
  return (packet: Uint8Array, publication: typeof PUBLICATION | null = PUBLICATION): boolean =>
    gate.wakes(ID, publication, packet);
}

const at = (level: number): Buffer => rtp({ sequence: 1, level: { id: 3, level } });

test('what its worker waits for is in the row of the source', () => {
  equal([setUp(Wakes.All)(at(127)), setUp(Wakes.None)(at(0))], [true, false]);
});

test('of a quiet source only what may be sound wakes', () => {
  const wakes = setUp(Wakes.Sound);
  equal(
    [0, 69, 70, 71, 127].map((level) => wakes(at(level))),
    [true, true, true, false, false],
  );
  ok(wakes(rtp({ sequence: 1 })), 'no level');
  ok(wakes(rtp({ sequence: 1, level: { id: 4, level: 127 } })), 'the level of another extension');
  ok(wakes(at(127), { ...PUBLICATION, levelExtension: 0 }), 'no extension');
  ok(wakes(at(127), null), 'no publication');
});

test('what is malformed wakes nobody, whatever came before', () => {
  const wakes = setUp(Wakes.Sound);
  ok(wakes(at(0)));
  equal(wakes(at(0).subarray(0, 8)), false);
});

test('whatever the bytes, the gate answers', () => {
  const wakes = setUp(Wakes.Sound);
  const random = prng(7);
  for (let i = 0; i < 20_000; i++) {
    const packet = anyRtp(random);
    equal(typeof wakes(packet.subarray(0, random() % (packet.length + 1))), 'boolean');
  }
});

test.run();
