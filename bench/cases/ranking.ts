/** The ranking alone, without packets: who is heard among five hundred people, fifty of whom talk in turns. */
import { OPUS_FRAME_TICKS } from '../../src/rtp/packet.ts';
import { openSlot, SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { Conversation } from '../../src/workers/conversation.ts';
import { Fades } from '../../src/workers/fades.ts';
import { SOURCE_WORDS } from '../../src/workers/protocol.ts';
import type { Source } from '../../src/workers/source.ts';
import { assertWork, type Case } from './case.ts';
import { LEVEL_ID, spokenLevel } from './packets.ts';

const PEOPLE = 500;
const TALKERS = 50;
const SLOTS = 3;
const FRAMES = 50;
/** Every talker talks for `TURN` frames of each `CYCLE` frames. */
const TURN = 150;
const CYCLE = 400;

export function rankingCase(): Case {
  const slots = new Int32Array(PEOPLE * SLOTS * SLOT_WORDS);
  const fades = new Fades(() => true);
  const sources = new Int32Array(PEOPLE * SOURCE_WORDS);
  const conversation = new Conversation({ slots, sources, fades, dominant: () => undefined });
  const talkers: Source[] = [];
  const publication = { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [] };
  for (let id = 0; id < PEOPLE; id++) {
    const rows = Array.from({ length: SLOTS }, (_, i) => (id * SLOTS + i) * SLOT_WORDS);
    for (const row of rows) openSlot(slots, row, id, 111, id, 0, 0);
    const info = { connection: id, user: id, number: id + 1, publication, muted: false, deafened: false, rows };
    const source = conversation.join(info, 0)!;
    if (id < TALKERS) talkers.push(source);
  }
  let frame = 0;
  return {
    name: 'ranking, 50 of 500 talk in turns',
    unit: 'incoming packet',
    operations: FRAMES * TALKERS,
    run() {
      for (const end = frame + FRAMES; frame < end; frame++) {
        const clock = Math.imul(frame, OPUS_FRAME_TICKS);
        for (let i = 0; i < TALKERS; i++) {
          const talks = (frame + i * 31) % CYCLE < TURN;
          conversation.heard(talkers[i]!, talks ? spokenLevel(frame, i) : 127, !talks, clock);
        }
        if (frame % 5 === 0) conversation.tick(clock);
      }
      assertWork(
        talkers.some(({ targets }) => targets.count >= PEOPLE - TALKERS),
        'nobody is heard',
      );
    },
  };
}
