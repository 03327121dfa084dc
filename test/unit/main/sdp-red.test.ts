/** RED (RFC 2198) in offers, plans and answers. */
import type { MediaDescription } from 'sdp-transform';
import { equal, is, match, not } from 'uvu/assert';
import { writeAnswer } from '../../../src/main/sdp/answer.ts';
import { redPayloadType } from '../../../src/main/sdp/codecs.ts';
import { planOffer } from '../../../src/main/sdp/plan.ts';
import { type OfferLine, readOffer, writeOffer } from '../../support/offers.ts';
import { LIMITS } from '../../support/plans.ts';
import { scenarios } from '../../support/scenario.ts';
import { LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('RED in SDP');

/** A line that offers Opus and a second format. */
function offering(second: string, more: readonly string[], payloadType: string | number = 111): OfferLine {
  return {
    payloadType: `${payloadType} ${second}`,
    without: /rtpmap/,
    more: [`a=rtpmap:${payloadType} opus/48000/2`, ...more],
  };
}

function redOf(line: OfferLine): number | undefined {
  const { publication, slots } = planOffer(writeOffer([line]), LIMITS);
  is(slots[0]?.redPayloadType, publication?.redPayloadType);
  return publication?.redPayloadType;
}

test('RED around Opus is taken, with as many blocks as the offer names', () => {
  for (const blocks of ['111/111', '111', '111/111/111', '111/111/111/111']) {
    is(redOf(offering('63', ['a=rtpmap:63 red/48000/2', `a=fmtp:63 ${blocks}`])), 63, blocks);
  }
  is(redOf(offering('121', ['a=rtpmap:121 RED/48000/2', 'a=fmtp:121 96/96'], 96)), 121);
});

test('anything else is not taken for it, and the line is Opus alone', () => {
  const table: Record<string, OfferLine> = {
    'no format parameters': offering('63', ['a=rtpmap:63 red/48000/2']),
    'blocks of another codec': offering('63', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/0']),
    'blocks of itself': offering('63', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 63/63']),
    'parameters that are none': offering('63', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 constructor']),
    'another clock rate': offering('63', ['a=rtpmap:63 red/8000/2', 'a=fmtp:63 111/111']),
    'one channel': offering('63', ['a=rtpmap:63 red/48000', 'a=fmtp:63 111/111']),
    'a payload type that is RTCP’s': offering('72', ['a=rtpmap:72 red/48000/2', 'a=fmtp:72 111/111']),
    'a payload type out of range': offering('163', ['a=rtpmap:163 red/48000/2', 'a=fmtp:163 111/111']),
    'a payload type that is not listed': offering('0', ['a=rtpmap:63 red/48000/2', 'a=fmtp:63 111/111']),
    'the payload type of Opus': offering('0', ['a=rtpmap:111 red/48000/2', 'a=fmtp:111 111/111']),
  };
  for (const [name, line] of Object.entries(table)) is(redOf(line), 0, name);
});

test('each line has the payload types of its own', () => {
  const red = (type: number): string[] => [`a=rtpmap:${type} red/48000/2`, `a=fmtp:${type} 111/111`];
  const { publication, slots } = planOffer(
    writeOffer([
      { ...offering('63', red(63)), direction: 'recvonly' },
      offering('64', red(64)),
      { ...offering('97', red(97)), direction: 'recvonly' },
    ]),
    LIMITS,
  );
  is(publication?.redPayloadType, 0);
  equal(
    slots.map(({ redPayloadType }) => redPayloadType),
    [63, 0, 97],
  );
});

test('the answer lists RED first, so that a browser sends it, on every line that offered it', () => {
  const plan = planOffer(readOffer('chromium-156-slots-3'), LIMITS);
  const text = writeAnswer(plan, LOCAL, [1, 2, 3], '1');
  is(text.match(/^m=audio 9 UDP\/TLS\/RTP\/SAVPF 63 111\r$/gm)?.length, 3);
  is(text.match(/^a=rtpmap:63 red\/48000\/2\r\na=fmtp:63 111\/111\r$/gm)?.length, 3);
});

test('an operator who wants it from publishers only gets it on the line that publishes, and no slot sends it', () => {
  const plan = planOffer(readOffer('chromium-156-slots-3'), { ...LIMITS, red: 'uplink' });
  is(plan.publication?.redPayloadType, 63);
  equal(
    plan.slots.map(({ redPayloadType }) => redPayloadType),
    [0, 0, 0],
  );
  const text = writeAnswer(plan, LOCAL, [1, 2, 3], '1');
  equal(text.match(/SAVPF .*/g), ['SAVPF 63 111', 'SAVPF 111', 'SAVPF 111']);
});

test('an operator who wants none gets none', () => {
  const plan = planOffer(readOffer('chromium-156-slots-3'), { ...LIMITS, red: 'off' });
  is(plan.publication?.redPayloadType, 0);
  equal(
    plan.slots.map(({ redPayloadType }) => redPayloadType),
    [0, 0, 0],
  );
  const text = writeAnswer(plan, LOCAL, [1, 2, 3], '1');
  match(text, /^m=audio 9 UDP\/TLS\/RTP\/SAVPF 111\r$/m);
  not.match(text, 'red');
});

test('a codec that a hostile offer names a thousand times is looked at once', () => {
  let looks = 0;
  const names = { payload: 63, codec: 'red', rate: 48_000, encoding: 2 };
  const media = {
    payloads: '63 111',
    rtp: Array.from({ length: 1000 }, () => names),
    get fmtp() {
      looks++;
      return [{ payload: 63, config: `${'111/'.repeat(1000)}x` }];
    },
  };
  is(redPayloadType(media as unknown as MediaDescription, 111), 0);
  is(looks, 1);
});

test.run();
