/** Plans written as answers, and as the offer that the native library is told. */
import { type MediaDescription, parse, type SessionDescription } from 'sdp-transform';
import { equal, is, match, ok } from 'uvu/assert';
import { writeAnswer, writeTransportOffer } from '../../../src/main/sdp/answer.ts';
import { LEVEL_EXTENSION, type Plan, type PlannedLine, planOffer } from '../../../src/main/sdp/plan.ts';
import type { LocalTransport } from '../../../src/main/sdp/transport.ts';
import { type OfferLine, offerNames, readOffer, writeOffer } from '../../support/offers.ts';
import { LIMITS } from '../../support/plans.ts';
import { scenarios } from '../../support/scenario.ts';
import { isCleanAnswer, isCleanTransportOffer, LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('sdp answers');

/** Outgoing SSRCs of as many slots as any plan here has; the last ones do not fit 31 bits. */
const SSRCS = [11, 22, 33, 44, 55, 66, 77, 4_294_967_295];

interface Answered {
  readonly offer: SessionDescription;
  readonly plan: Plan;
  readonly text: string;
  readonly answer: SessionDescription;
}

function answerTo(offer: string, local: LocalTransport = LOCAL): Answered {
  const plan = planOffer(offer, LIMITS);
  const text = writeAnswer(plan, local, SSRCS, '123456789');
  return { offer: parse(offer), plan, text, answer: parse(text) };
}

function midsOf({ media }: SessionDescription): string[] {
  return media.map(({ mid }) => String(mid));
}

function bundleOf(session: SessionDescription): string[] {
  return session.groups?.filter(({ type }) => type === 'BUNDLE').flatMap(({ mids }) => String(mids).split(' ')) ?? [];
}

/** All offers that are answered here: the recorded ones, and synthetic ones with a bit of everything. */
const OFFERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(offerNames().map((name) => [name, readOffer(name)])),
  'video first': writeOffer([{ media: 'video' }, {}]),
  'data first': writeOffer([{ media: 'application' }, { direction: 'sendonly' }, { direction: 'recvonly' }]),
  'all kinds': writeOffer([
    { direction: 'recvonly', mid: 'listen' },
    { media: 'text', mid: null },
    { direction: 'sendrecv', mid: 'x.y' },
    { direction: 'sendonly' },
    { media: 'application' },
    { media: 'application' },
    ...Array<OfferLine>(8)
      .fill({ direction: 'recvonly' })
      .map((line, i) => ({ ...line, mid: `s${i}` })),
  ]),
};

for (const [name, text] of Object.entries(OFFERS)) {
  test(`the answer to ${name} has every m-line of the offer in its place`, () => {
    const { offer, answer, plan } = answerTo(text);
    equal(midsOf(answer), midsOf(offer));
    equal(
      answer.media.map(({ type }) => type),
      offer.media.map(({ type }) => type),
    );
    equal(
      answer.media.map(({ protocol }) => protocol),
      offer.media.map(({ protocol }) => protocol),
    );
    equal(
      answer.media.map(({ port }) => port === 0),
      plan.lines.map((line) => line.kind === 'refused' && !line.staysInBundle),
    );
    const bundled = plan.lines.filter((line) => line.kind !== 'refused' || line.staysInBundle).map(({ mid }) => mid!);
    equal(bundleOf(answer), bundled);
    equal(
      bundleOf(offer).filter((mid) => bundled.includes(mid)),
      bundled,
    );
  });

  test(`the answer to ${name} gives each slot a stream and an SSRC of its own, and nobody else one`, () => {
    const { answer, plan } = answerTo(text);
    const streams = new Set<string>();
    const ssrcs = new Set<number>();
    plan.lines.forEach((line, i) => {
      const media = answer.media[i]!;
      const declared = new Set((media.ssrcs ?? []).map(({ id }) => Number(id)));
      if (line.kind !== 'audio' || line.slot === null) {
        is(media.msid, undefined);
        is(declared.size, 0);
        return;
      }
      equal([...declared], [SSRCS[line.slot]]);
      const [msid] = media.msid!;
      const { value } = media.ssrcs!.find(({ attribute }) => attribute === 'msid')!;
      is(value, `${msid!.id} ${msid!.appdata}`);
      streams.add(msid!.id);
      ssrcs.add(SSRCS[line.slot]!);
    });
    is(streams.size, plan.slots.length);
    is(ssrcs.size, plan.slots.length);
  });

  test(`the answer to ${name} turns the directions round and agrees on nothing but Opus, RED around it and levels`, () => {
    const { answer, offer, plan } = answerTo(text);
    plan.lines.forEach((line, i) => {
      const media = answer.media[i]!;
      if (line.kind === 'refused') is(media.direction, 'inactive');
      if (line.kind === 'audio') isOpus(media, offer.media[i]!, line);
      if (line.kind === 'data') is(media.payloads, 'webrtc-datachannel');
    });
  });

  test(`the answer to ${name} has the transport in every line and the candidates in the first of the bundle`, () => {
    const { answer, plan, text: written } = answerTo(text);
    const first = midsOf(answer).indexOf(bundleOf(answer)[0]!);
    answer.media.forEach((media, i) => {
      const { iceUfrag, icePwd, fingerprint, setup, candidates = [], endOfCandidates } = media;
      is(iceUfrag, LOCAL.ufrag);
      is(icePwd, LOCAL.pwd);
      is(`${fingerprint!.type} ${fingerprint!.hash}`, LOCAL.fingerprint);
      is(setup, LOCAL.setup);
      is(candidates.length, i === first ? LOCAL.candidates.length : 0);
      is(endOfCandidates !== undefined, i === first);
    });
    isCleanAnswer(written);
    isCleanTransportOffer(writeTransportOffer(plan));
  });
}

type AudioLine = Extract<PlannedLine, { kind: 'audio' }>;

function isOpus(answered: MediaDescription, offered: MediaDescription, line: AudioLine): void {
  const { payloadType, redPayloadType } = line;
  const turned = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' } as const;
  // A line that wants both may be given less, never more.
  const expected = turned[offered.direction ?? 'sendrecv'];
  ok(expected === answered.direction || expected === 'sendrecv', `${offered.direction} → ${answered.direction}`);
  const payloadTypes = redPayloadType === 0 ? [payloadType] : [redPayloadType, payloadType];
  is(String(answered.payloads), payloadTypes.join(' '));
  const formats = payloadTypes.map((payload) => ({ payload, rate: 48_000, encoding: 2 }));
  equal(
    answered.rtp,
    formats.map((format) => ({ ...format, codec: format.payload === payloadType ? 'opus' : 'red' })),
  );
  for (const { payload, codec } of answered.rtp) {
    ok(offered.rtp.some((one) => one.payload === payload && one.codec === codec));
  }
  equal(
    answered.fmtp.map(({ payload, config }) => [payload, config]),
    payloadTypes.map((payload) => [
      payload,
      payload === payloadType ? 'minptime=10;useinbandfec=1;usedtx=1' : `${payloadType}/${payloadType}`,
    ]),
  );
  is(answered.rtcpMux, 'rtcp-mux');
  is(answered.rtcpFb, undefined);
  for (const { value, uri } of answered.ext ?? []) {
    is(uri, LEVEL_EXTENSION);
    ok(
      offered.ext?.some((one) => one.value === value && one.uri === uri),
      "the id is the offer's",
    );
  }
}

test('the level extension is agreed on where the client publishes, and only there', () => {
  const { answer } = answerTo(readOffer('chromium-156-slots-3'));
  equal(
    answer.media.map(({ ext }) => ext?.length ?? 0),
    [1, 0, 0],
  );
  const without = answerTo(writeOffer([{ without: /extmap/ }]));
  is(without.answer.media[0]!.ext, undefined);
});

test('a refused line has its format and what every line of its kind has, which clients look for', () => {
  const { answer } = answerTo(writeOffer([{}, { media: 'video', payloadType: 96 }, {}, { direction: 'sendonly' }]));
  const [, video, , audio] = answer.media;
  equal([video!.port, video!.rtp], [0, [{ payload: 96, codec: 'VP8', rate: 90_000 }]]);
  equal([audio!.port, audio!.rtp], [0, [{ payload: 111, codec: 'opus', rate: 48_000, encoding: 2 }]]);
  for (const media of [video!, audio!]) equal([media.direction, media.rtcpMux], ['inactive', 'rtcp-mux']);
  const second = answerTo(writeOffer([{}, { media: 'application' }, { media: 'application' }])).answer.media[2]!;
  equal([second.port, second.sctpPort, second.rtcpMux], [0, 5000, undefined]);
});

test('the session lines are those of RFC 8866, with the session id given', () => {
  const { text } = answerTo(readOffer('firefox-153-sendrecv'));
  match(text, /^v=0\r\no=backend-webrtc 123456789 1 IN IP4 127\.0\.0\.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n/);
  ok(text.endsWith('\r\n'));
});

test('an SSRC beyond 31 bits is written unsigned', () => {
  const { text } = answerTo(OFFERS['all kinds']!);
  match(text, 'a=ssrc:4294967295 cname:');
});

test('an offer that bundles nothing is answered without a BUNDLE group', () => {
  const { answer } = answerTo(writeOffer([{}], { bundle: null }));
  equal(bundleOf(answer), []);
});

test("the native library is told one audio line with the client's transport, and no candidates", () => {
  const plan = planOffer(readOffer('chromium-156-slots-3'), LIMITS);
  const told = parse(writeTransportOffer(plan));
  is(told.media.length, 1);
  const [media] = told.media;
  is(media!.direction, 'sendrecv');
  is(media!.iceUfrag, plan.ice.ufrag);
  is(media!.icePwd, plan.ice.pwd);
  is(media!.setup, 'actpass');
  equal(media!.fingerprint, { type: plan.fingerprints[0]!.hash, hash: plan.fingerprints[0]!.value });
  equal(media!.rtp, [{ payload: 111, codec: 'opus', rate: 48_000, encoding: 2 }]);
  is(media!.candidates, undefined);
  is(media!.ssrcs, undefined);
});

test('the native library is told the payload type of the publication, or else of the first slot', () => {
  const payloads = (lines: OfferLine[]): string =>
    String(parse(writeTransportOffer(planOffer(writeOffer(lines), LIMITS))).media[0]!.payloads);
  is(payloads([{ direction: 'recvonly', payloadType: 100 }, { payloadType: 109 }]), '109');
  is(payloads([{ direction: 'recvonly', payloadType: 100 }]), '100');
});

test('the native library is told of the data channel line as the client offered it', () => {
  const offer = writeOffer([{}, { media: 'application', without: /sctp-port/, more: ['a=sctp-port:6000'] }]);
  const told = parse(writeTransportOffer(planOffer(offer, LIMITS)));
  equal(bundleOf(told), midsOf(told));
  is(told.media[1]!.sctpPort, 6000);
  is(told.media[1]!.maxMessageSize, 262_144);
});

test('a packet time other than the usual is asked for where the client publishes', () => {
  const plan = planOffer(writeOffer([{}, { direction: 'recvonly' }]), LIMITS);
  const lines = (ptime?: number): string[] =>
    writeAnswer(plan, LOCAL, SSRCS, '1', ptime)
      .split('\r\n')
      .filter((line) => line.startsWith('a=ptime'));
  equal(lines(), []);
  equal(lines(20), []);
  equal(lines(40), ['a=ptime:40']);
});

test('the native library is told the direction, the message size and the DTLS role that the client offered', () => {
  const told = (lines: OfferLine[]): SessionDescription =>
    parse(writeTransportOffer(planOffer(writeOffer(lines), LIMITS)));
  is(told([{ direction: 'recvonly' }]).media[0]!.direction, 'recvonly');
  is(told([{ direction: 'sendonly' }]).media[0]!.direction, 'sendrecv');
  const data: OfferLine = { media: 'application', without: /max-message/, more: ['a=max-message-size:1000'] };
  is(told([{}, data]).media[1]!.maxMessageSize, 1000);
  for (const setup of ['active', 'passive']) {
    const all = told([{ without: /setup/, more: [`a=setup:${setup}`] }, data]).media;
    equal(
      all.map((media) => media.setup),
      [setup, setup],
    );
  }
});

test.run();
