/** The offers of real browsers, recorded, read into plans. */
import { equal, is } from 'uvu/assert';
import { planOffer } from '../../../src/main/sdp/plan.ts';
import { offerNames, readOffer } from '../../support/offers.ts';
import { LIMITS, words } from '../../support/plans.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('recorded offers');

/** A plan in short: a word for each m-line, and what is published. */
interface Expected {
  /** `<mid> both|publish|slot|data|refused` */
  readonly lines: readonly string[];
  readonly payloadType: number;
  readonly ssrcs: readonly number[] | null;
  /** 0 for none. */
  readonly redPayloadType: number;
  /** 0 for none. */
  readonly levelExtension: number;
}

const RECORDED: Readonly<Record<string, Expected>> = {
  'chromium-156-sendrecv': {
    lines: ['0 both'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [2374309846],
    levelExtension: 1,
  },
  'chromium-156-recvonly': { lines: ['0 slot'], payloadType: 111, redPayloadType: 63, ssrcs: null, levelExtension: 0 },
  'chromium-156-slots-3': {
    lines: ['0 both', '1 slot', '2 slot'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [2843173662],
    levelExtension: 1,
  },
  'chromium-156-audio-video': {
    lines: ['0 both', '1 refused'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [1280268890],
    levelExtension: 1,
  },
  'chromium-156-datachannel': {
    lines: ['0 both', '1 slot', '2 slot', '3 data'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [3819098498],
    levelExtension: 1,
  },
  'chromium-156-mdns': {
    lines: ['0 both'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [4106322995],
    levelExtension: 1,
  },
  'firefox-153-sendrecv': {
    lines: ['0 both'],
    payloadType: 109,
    redPayloadType: 0,
    ssrcs: [3989742617],
    levelExtension: 1,
  },
  'firefox-153-recvonly': { lines: ['0 slot'], payloadType: 109, redPayloadType: 0, ssrcs: null, levelExtension: 0 },
  'firefox-153-slots-3': {
    lines: ['0 both', '1 slot', '2 slot'],
    payloadType: 109,
    redPayloadType: 0,
    ssrcs: [202717551],
    levelExtension: 1,
  },
  'firefox-153-audio-video': {
    lines: ['0 both', '1 refused'],
    payloadType: 109,
    redPayloadType: 0,
    ssrcs: [3383187128],
    levelExtension: 1,
  },
  'firefox-153-datachannel': {
    lines: ['0 both', '1 slot', '2 slot', '3 data'],
    payloadType: 109,
    redPayloadType: 0,
    ssrcs: [2725459697],
    levelExtension: 1,
  },
  'firefox-153-mdns': { lines: ['0 both'], payloadType: 109, redPayloadType: 0, ssrcs: [280193306], levelExtension: 1 },
  'edge-15-sendrecv': {
    lines: ['edgemid001 both'],
    payloadType: 102,
    redPayloadType: 0,
    ssrcs: [],
    levelExtension: 0,
  },
  'chrome-55-sendrecv': {
    lines: ['audio both'],
    payloadType: 111,
    redPayloadType: 0,
    ssrcs: [1550000001],
    levelExtension: 1,
  },
  'safari-13-sendrecv': {
    lines: ['audio both'],
    payloadType: 111,
    redPayloadType: 0,
    ssrcs: [1300000001],
    levelExtension: 1,
  },
  'safari-18-sendonly': {
    lines: ['0 publish'],
    payloadType: 111,
    redPayloadType: 63,
    ssrcs: [1800000001],
    levelExtension: 1,
  },
};

test('every recorded offer has its expectation here', () => {
  equal(offerNames(), Object.keys(RECORDED).sort());
});

for (const [name, { lines, payloadType, redPayloadType, ssrcs, levelExtension }] of Object.entries(RECORDED)) {
  test(`the offer ${name} is planned as ${lines.join(', ')}`, () => {
    const offer = readOffer(name);
    const read = planOffer(offer, LIMITS);
    equal(words(read), lines);
    const publication = { payloadType, redPayloadType, levelExtension, ssrcs: ssrcs?.map((ssrc) => ssrc | 0) };
    equal(read.publication, ssrcs === null ? null : publication);
    const slots = read.lines.filter((line) => line.kind === 'audio' && line.slot !== null);
    equal(
      read.slots,
      slots.map(({ mid }) => ({ mid, payloadType, redPayloadType })),
    );
    equal(
      slots.map((line) => line.kind === 'audio' && line.slot),
      slots.map((_, i) => i),
    );
    const publishing = read.lines.find((line) => line.kind === 'audio' && line.publishes);
    is(publishing?.kind === 'audio' ? publishing.levelExtension : 0, levelExtension);
    is(read.ice.ufrag, /a=ice-ufrag:(\S+)/.exec(offer)![1]);
    is(read.ice.pwd, /a=ice-pwd:(\S+)/.exec(offer)![1]);
    const [fingerprint] = read.fingerprints;
    is(`${fingerprint!.hash} ${fingerprint!.value}`, /a=fingerprint:(\S+ \S+)/.exec(offer)![1]);
    is(read.setup, 'actpass');
  });
}

test.run();
