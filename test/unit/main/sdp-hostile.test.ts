/** Offers by somebody who means harm: a plan or an OfferError comes of them, and nothing of their text gets further. */
import { is, match, ok } from 'uvu/assert';
import { closeReason } from '../../../src/main/errors.ts';
import { writeAnswer, writeTransportOffer } from '../../../src/main/sdp/answer.ts';
import { OfferError } from '../../../src/main/sdp/offer.ts';
import { planOffer } from '../../../src/main/sdp/plan.ts';
import { type OfferLine, offerNames, readOffer, writeOffer } from '../../support/offers.ts';
import { LIMITS } from '../../support/plans.ts';
import { prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';
import { isCleanAnswer, isCleanTransportOffer, LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('hostile offers');

const SSRCS = [11, 22, 33, 44, 55, 66, 77, 88];

/** Plans an offer and writes all that follows from it. @returns whether it was answered. */
function survives(offer: string): boolean {
  let plan: ReturnType<typeof planOffer>;
  try {
    plan = planOffer(offer, LIMITS);
  } catch (error) {
    ok(error instanceof OfferError, `${error instanceof Error ? error.stack : error}\n${offer}`);
    return false;
  }
  ok(plan.slots.length <= LIMITS.maxSlots && plan.lines.length <= LIMITS.maxLines);
  isCleanAnswer(writeAnswer(plan, LOCAL, SSRCS, '1'));
  isCleanTransportOffer(writeTransportOffer(plan));
  return true;
}

const EVIL = [
  '\r',
  '\n',
  '\r\n',
  '\r\na=evil:1',
  '\0',
  '\u2028',
  '\u0085',
  ' ',
  '\t',
  '"',
  '<',
  'é',
  '\ud800',
  '{}',
  '%s',
];
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'NaN',
  'Infinity',
  '-0',
  '1e999',
  '007',
  '0x10',
  'x'.repeat(70_000),
];

test('evil text in any value is refused or left out, wherever it stands', () => {
  for (const text of [...EVIL, ...NAMES]) {
    const without = (attribute: string, value: string): OfferLine => ({
      without: new RegExp(`^a=${attribute}`),
      more: [`a=${attribute}:${value}`],
    });
    survives(writeOffer([{ mid: text }, {}]));
    survives(writeOffer([{ mid: `0${text}` }, {}]));
    survives(writeOffer([{}, { protocol: text }]));
    survives(writeOffer([{}, { payloadType: text, media: 'video' }]));
    survives(writeOffer([{}, { payloadType: `111${text}` }]));
    survives(writeOffer([{ more: [text, `a=${text}`, `${text}=${text}`, `a=${text}:${text}`] }]));
    survives(writeOffer([{}], { bundle: ['0', text] }));
    survives(writeOffer([{}], { session: [`a=${text}`, `s=${text}`, `m=${text}`] }));
    survives(writeOffer([without('ice-ufrag', `abcd${text}`)]));
    survives(writeOffer([without('ice-pwd', `${'a'.repeat(22)}${text}`)]));
    survives(writeOffer([without('fingerprint', `sha-256 ${'AB:'.repeat(31)}AB${text}`)]));
    survives(writeOffer([without('setup', `active${text}`)]));
    survives(writeOffer([without('extmap', `1${text} urn:ietf:params:rtp-hdrext:ssrc-audio-level${text}`)]));
    survives(writeOffer([without('ssrc', `1${text} cname:${text}`)]));
    survives(writeOffer([{}, { media: 'application', ...without('sctp-port', `5000${text}`) }]));
    survives(writeOffer([{}, { media: 'application', ...without('max-message-size', `9${text}`) }]));
    survives(writeOffer([{ ...without('rtpmap', `111${text} opus/48000/2${text}`) }]));
  }
});

test('what a client is told fits a close frame and is printable, whatever the offer says', () => {
  for (const text of ['x'.repeat(70_000), 'a/'.repeat(30_000), '\ud83d\ude00\r\n']) {
    for (const line of [{ protocol: text }, { more: [`a=setup:${text}`], without: /^a=setup/ }, { mid: text }]) {
      try {
        planOffer(writeOffer([line]), LIMITS);
      } catch (error) {
        ok(error instanceof OfferError);
        match(closeReason(error.kind, error.message), /^[ -~]{10,123}$/);
      }
    }
  }
});

const SEEDS = offerNames().map(readOffer);

/** One random change to an offer: of characters, of lines, or of numbers. */
function mutate(offer: string, random: Random): string {
  const pick = <T>(values: readonly T[]): T => values[random() % values.length]!;
  const lines = offer.split('\r\n');
  const at = random() % lines.length;
  switch (random() % 9) {
    case 0:
      return offer.slice(0, random() % offer.length);
    case 1: {
      const from = random() % offer.length;
      return offer.slice(0, from) + offer.slice(from + (random() % 40));
    }
    case 2: {
      const from = random() % offer.length;
      return offer.slice(0, from) + pick([...EVIL, ...NAMES.slice(0, -1)]) + offer.slice(from + (random() % 3));
    }
    case 3:
      return lines.filter((_, i) => i !== at).join('\r\n');
    case 4:
      return [...lines.slice(0, at), lines[random() % lines.length]!, ...lines.slice(at)].join('\r\n');
    case 5:
      [lines[at], lines[random() % lines.length]] = [lines[random() % lines.length]!, lines[at]!];
      return lines.join('\r\n');
    case 6:
      return offer.replace(/\d+/g, (digits) =>
        random() % 40 === 0 ? pick(['', '0', '99999999999', '1e9', '-1', '0111']) : digits,
      );
    case 7: {
      const media = offer.slice(offer.indexOf('m='));
      return (
        offer + (random() % 2 === 0 ? media : media.replace(/a=mid:(\w+)/g, (_, mid) => `a=mid:${mid}${random() % 9}`))
      );
    }
    default:
      lines[at] = lines[at]!.replace(
        /[:= ].*/,
        (rest) => rest[0]! + String.fromCharCode(random() % 256, random() % 65_536),
      );
      return lines.join('\r\n');
  }
}

test('of thousands of mutated offers each is answered cleanly or refused', () => {
  const random = prng(seed('mutated offers'));
  let answered = 0;
  const total = 2000;
  for (let i = 0; i < total; i++) {
    let offer = SEEDS[random() % SEEDS.length]!;
    for (let changes = 1 + (random() % 4); changes > 0 && offer.length > 0; changes--) offer = mutate(offer, random);
    if (survives(offer)) answered++;
  }
  ok(answered > total / 10, `only ${answered} of ${total} were answered: the mutations are too harsh to mean anything`);
  ok(answered < (total * 9) / 10, `${answered} of ${total} were answered: the mutations are too mild to mean anything`);
});

test('every truncation of an offer is answered cleanly or refused', () => {
  const offer = readOffer('firefox-153-sendrecv');
  let answered = 0;
  for (let length = 0; length <= offer.length; length++) if (survives(offer.slice(0, length))) answered++;
  ok(answered > 0);
});

test('random characters that begin like an SDP are refused', () => {
  const random = prng(seed('random characters'));
  for (let i = 0; i < 1000; i++) {
    const codes = Array.from({ length: random() % 400 }, () => (random() % 3 === 0 ? 10 : random() % 128));
    is(survives(`v=0\r\n${String.fromCharCode(...codes)}`), false);
  }
});

test('an offer as large as may be is read in a blink, whatever it is full of', () => {
  const fillers = [
    'm=audio 9 x 1',
    'a=mid:',
    'a=x',
    'a=simulcast: ',
    'a=imageattr:1 send [x] ',
    'a=ssrc:1 x',
    'a=group:BUNDLE ',
  ];
  for (const filler of fillers) {
    const pad = filler.endsWith(' ') ? '\t[a]'.repeat(16_000) : `\r\n${filler}`.repeat(65_000 / (filler.length + 2));
    const begun = process.cpuUsage();
    survives(`${writeOffer([{}])}${filler}${pad}\r\n`);
    const { user } = process.cpuUsage(begun);
    ok(user < 1_000_000, `${user} µs for ${JSON.stringify(filler)}`);
  }
});

test.run();
