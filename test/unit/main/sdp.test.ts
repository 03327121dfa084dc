/** Every rule by which an offer becomes a plan. */

import { equal, is, match, ok } from 'uvu/assert';
import { closeReason } from '../../../src/main/errors.ts';
import { LEVEL_EXTENSION, type Plan, type PlanLimits, planOffer } from '../../../src/main/sdp/plan.ts';
import { type OfferLine, writeOffer } from '../../support/offers.ts';
import { LIMITS, refusal, words } from '../../support/plans.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('sdp');

function plan(lines: readonly OfferLine[], limits: PlanLimits = LIMITS): Plan {
  return planOffer(writeOffer(lines), limits);
}

/** Why each refused m-line was. */
function reasons({ lines }: Plan): string[] {
  return lines.flatMap((line) => (line.kind === 'refused' ? [line.why] : []));
}

test('each direction of one line becomes what it asks for', () => {
  equal(words(plan([{ direction: 'sendrecv' }])), ['0 both']);
  equal(words(plan([{ direction: 'sendonly' }])), ['0 publish']);
  equal(words(plan([{ direction: 'recvonly' }])), ['0 slot']);
  equal(words(plan([{ direction: null }])), ['0 both'], 'sendrecv is what no direction means: RFC 8866, section 6.7');
  match(refusal(writeOffer([{ direction: 'inactive' }])).message, /m-line 0: inactive/);
  equal(words(plan([{}, { direction: 'inactive' }])), ['0 both', '1 refused']);
});

test('a direction of the session holds for lines that have none of their own', () => {
  const offer = writeOffer([{ direction: null }, { direction: 'sendrecv' }], { session: ['a=recvonly'] });
  equal(words(planOffer(offer, LIMITS)), ['0 slot', '1 both']);
});

test('only the first line that sends publishes: a second one is a slot if it receives, and refused if not', () => {
  const read = plan([{}, { direction: 'sendrecv' }, { direction: 'sendonly' }]);
  equal(words(read), ['0 both', '1 slot', '2 refused']);
  equal(read.publication?.ssrcs, [1000]);
  equal(reasons(read), ['a second publishing line']);
  equal(words(plan([{ direction: 'recvonly' }, {}])), ['0 slot', '1 both']);
});

test('slots beyond the limit are refused, and a publisher beyond it still publishes', () => {
  const four = plan(Array(4).fill({ direction: 'recvonly' }), { ...LIMITS, maxSlots: 2 });
  equal(words(four), ['0 slot', '1 slot', '2 refused', '3 refused']);
  equal(reasons(four), Array(2).fill('more than 2 receive slots'));
  const late = plan([{ direction: 'recvonly' }, { direction: 'sendrecv' }], { ...LIMITS, maxSlots: 1 });
  equal(words(late), ['0 slot', '1 publish']);
});

test('video and text are refused, and the rest goes on', () => {
  const read = plan([{ media: 'video' }, {}, { media: 'text' }]);
  equal(words(read), ['0 refused', '1 both', '2 refused']);
  equal(reasons(read), ['video is not forwarded', 'text is not forwarded']);
});

test('one data channel line is accepted, a second one refused', () => {
  const read = plan([{}, { media: 'application' }, { media: 'application' }]);
  equal(words(read), ['0 both', '1 data', '2 refused']);
  equal(read.data, { port: 5000, maxMessageSize: 262_144 });
  equal(reasons(read), ['a second data channel line']);
  equal(words(plan([{ media: 'application' }, {}])), ['0 data', '1 both'], 'also as the first');
});

test('a data channel line has the defaults of RFC 8841, and an unusable port refuses it', () => {
  const without = /sctp-port|max-message/;
  equal(plan([{}, { media: 'application', without }]).data, { port: 5000, maxMessageSize: 65_536 });
  const odd = (more: string[]): Plan => plan([{}, { media: 'application', without, more }]);
  equal(odd(['a=max-message-size:0']).data, { port: 5000, maxMessageSize: 0 });
  equal(odd([`a=max-message-size:${'9'.repeat(400)}`]).data?.maxMessageSize, 65_536);
  for (const port of ['0', '65536', '99999999999999999999']) equal(words(odd([`a=sctp-port:${port}`]))[1], '1 refused');
  for (const protocol of ['DTLS/SCTP', 'UDP/TLS/RTP/SAVPF', 'SCTP', 'UDP/DTLS/SCTPX']) {
    const read = plan([{}, { media: 'application', protocol }]);
    equal(words(read), ['0 both', '1 refused'], protocol);
    equal(reasons(read), [`protocol ${protocol} is neither UDP/DTLS/SCTP nor TCP/DTLS/SCTP (RFC 8841)`]);
  }
});

test('an offer without usable audio is refused, and says for each line why', () => {
  const table: readonly (readonly [OfferLine[], RegExp])[] = [
    [[{ media: 'video' }], /m-line 0: video is not forwarded/],
    [[{ media: 'application' }], /m-line 0: no audio/],
    [[{ without: /rtpmap/ }], /no opus/],
    [[{ port: 0 }], /refused by the offer itself/],
    [[{ without: /rtcp-mux/ }], /rtcp-mux/],
    [[{ protocol: 'RTP/AVP' }], /protocol RTP\/AVP is not DTLS-SRTP/],
    [[{ protocol: 'RTP/SAVP' }], /not DTLS-SRTP/],
    [[{ mid: null }], /no a=mid/],
    [[{ mid: 'm'.repeat(65) }], /a=mid has 65 characters; 64 are allowed/],
    [[{ mid: 'a"b' }], /a=mid is not a token/],
    [[{ direction: 'inactive' }], /inactive/],
  ];
  for (const [lines, message] of table) {
    const error = refusal(writeOffer(lines));
    is(error.kind, 'no-audio');
    match(error.message, message);
    is(closeReason(error.kind, error.message).match(/no usable audio/g)?.length, 1);
  }
});

test('an m-line that cannot be read is refused in its own words', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['m=audio 9/2 UDP/TLS/RTP/SAVPF 111', /m-line 0: a range of ports, as in 9\/2, is for multicast/],
    ['m=audio UDP/TLS/RTP/SAVPF 111', /m-line 0: the m-line is not media, port, protocol and formats/],
    ['m=audio nine UDP/TLS/RTP/SAVPF 111', /m-line 0: the m-line is not media, port, protocol and formats/],
    ['m=audio', /m-line 0: the m-line is not media, port, protocol and formats/],
  ];
  for (const [line, message] of table) {
    match(refusal(writeOffer([{}]).replace(/m=audio.*(?=\r)/, line)).message, message);
    const other = planOffer(writeOffer([{}, {}]).replace(/m=audio.*(?=\r)/, line), LIMITS);
    equal(words(other), ['0 refused', '1 both'], line);
  }
});

test('of several fingerprints all of one hash are taken, SHA-256 before others, and what is unknown is passed over', () => {
  const sha256 = (byte: string): string => `sha-256 ${Array(32).fill(byte).join(':')}`;
  const sha512 = `sha-512 ${Array(64).fill('0a').join(':')}`;
  const read = (...values: string[]): string[] =>
    plan([{ without: /fingerprint/, more: values.map((value) => `a=fingerprint:${value}`) }]).fingerprints.map(
      ({ hash, value }) => `${hash} ${value}`,
    );
  equal(read(sha256('AA'), 'sha-999 AA:BB'), [sha256('AA')]);
  equal(read('sha-999 AA:BB', sha256('AA')), [sha256('AA')]);
  equal(read('sha-256 AA:BB', sha256('AA'), 'md5'), [sha256('AA')]);
  equal(read(sha256('AA'), sha256('BB')), [sha256('AA'), sha256('BB')]);
  equal(read(sha512, sha256('AA'), `SHA-1 ${Array(20).fill('01').join(':')}`), [sha256('AA')]);
  equal(read(sha512), [sha512]);
  is(read(...Array.from({ length: 50 }, (_, i) => sha256((i + 16).toString(16)))).length, 8);
  const above = writeOffer([{ without: /fingerprint/, more: ['a=fingerprint:sha-999 AA'] }], {
    session: [`a=fingerprint:${sha256('CC')}`],
  });
  equal(planOffer(above, LIMITS).fingerprints, [{ hash: 'sha-256', value: sha256('CC').slice(8) }]);
});

test('the first line of the bundle stays in it when it is refused, and describes the transport', () => {
  const firsts: readonly OfferLine[] = [
    { media: 'video' },
    { direction: 'inactive' },
    { payloadType: 0, without: /rtpmap/ },
    { media: 'video', port: 0, more: ['a=bundle-only'] },
  ];
  for (const first of firsts) {
    const own = ['a=ice-ufrag:first', `a=ice-pwd:${'f'.repeat(24)}`];
    const lines = [{ ...first, without: /ice-|rtpmap:0/, more: [...own, ...(first.more ?? [])] }, {}];
    const read = planOffer(writeOffer(lines), LIMITS);
    const [line] = read.lines;
    ok(line?.kind === 'refused' && line.staysInBundle, JSON.stringify(first));
    equal(read.bundle, ['0', '1']);
    is(read.ice.ufrag, 'first');
  }
  const rejected: readonly OfferLine[] = [
    { media: 'video', port: 0 },
    { media: 'video', protocol: 'RTP/AVP' },
    { media: 'video', without: /rtcp-mux/ },
    { media: 'text', protocol: 'TCP/MSRP' },
    { media: 'video', mid: 'v:1' },
  ];
  for (const first of rejected) {
    const read = plan([first, {}]);
    ok(read.lines[0]?.kind === 'refused' && !read.lines[0].staysInBundle, JSON.stringify(first));
    equal(read.bundle, ['1']);
  }
  const later = plan([{}, { media: 'video' }]);
  ok(later.lines[1]?.kind === 'refused' && !later.lines[1].staysInBundle, 'only the first');
  const outside = planOffer(writeOffer([{ media: 'video' }, {}], { bundle: ['1'] }), LIMITS);
  ok(outside.lines[0]?.kind === 'refused' && !outside.lines[0].staysInBundle, 'only in the bundle');
  const turned = planOffer(writeOffer([{}, { media: 'video' }], { bundle: ['1', '0'] }), LIMITS);
  equal(turned.bundle, ['1', '0'], 'the first in the group is meant, not the first in the offer');
});

test('of a refused line one format is named: Opus if it has that, or else the first that says what it is', () => {
  const named = (payloadType: string, ...mapped: string[]): string => {
    const more = mapped.map((line) => `a=rtpmap:${line}`);
    const [line] = plan([{ direction: 'inactive', payloadType, without: /rtpmap/, more }, {}]).lines;
    return line?.kind === 'refused' ? `${line.format} ${line.encoding}` : '';
  };
  is(named('0 111', '111 opus/48000/2'), '111 opus/48000/2');
  is(named('110 0 8', '110 telephone-event/48000'), '110 telephone-event/48000');
  is(named('96 8'), '8 PCMA/8000');
  is(named('96 97'), '96 null');
  const unknown = Array.from({ length: 40 }, (_, i) => `${i + 30}`).filter((type) => type !== '8');
  is(named([...unknown.slice(0, 31), '8'].join(' ')), '8 PCMA/8000');
  is(named([...unknown.slice(0, 32), '8'].join(' ')), '30 null', 'only so many are looked at');
});

test('line ends, blank lines and groups as others write them make no difference', () => {
  const offer = writeOffer([{}, { direction: 'recvonly' }, { media: 'application' }]);
  const bundle = (line: string): string => offer.replace('a=group:BUNDLE 0 1 2', line);
  const same = [
    offer.replaceAll('\r\n', '\n'),
    offer.slice(0, -2),
    offer.slice(0, -2).replaceAll('\r\n', '\n'),
    `${offer}\r\n\r\n`,
    offer.replace('t=0 0', 't=0 0\r\na=ice-lite\r\na=ice-options:trickle ice2 renomination\r\na=extmap-allow-mixed'),
    bundle('a=group:BUNDLE  0 1  2 '),
    bundle('a=group:BUNDLE 0 0 1 2'),
    bundle('a=group:BUNDLE 9 0 1 2'),
    bundle('a=group:LS 0 1\r\na=group:BUNDLE 0 1 2'),
  ];
  for (const text of same) equal(planOffer(text, LIMITS), planOffer(offer, LIMITS), JSON.stringify(text.slice(0, 200)));
  equal(words(planOffer(bundle('a=group:BUNDLE 0 2'), LIMITS)), ['0 both', '1 refused', '2 data']);
});

test('any token is a mid, and what is none refuses its line alone', () => {
  for (const mid of ['audio', 'a.b', 'x~y', '{1}', '007', '1e3', '+1', '__proto__', 'constructor', 'm'.repeat(64)]) {
    equal(words(plan([{ mid }, { direction: 'recvonly' }])), [`${mid} both`, '1 slot']);
  }
  for (const mid of ['ü', 'a:b', '"x"', '1/2', 'a,b', 'm'.repeat(65)]) {
    const read = plan([{ mid }, { direction: 'recvonly' }]);
    equal(words(read), ['null refused', '1 slot']);
    equal(read.bundle, ['1']);
  }
});

test('what a line says of the transport comes before what the session says', () => {
  const fingerprint = `sha-256 ${Array(32).fill('CC').join(':')}`;
  const session = [
    'a=ice-ufrag:session',
    `a=ice-pwd:${'s'.repeat(24)}`,
    'a=setup:passive',
    `a=fingerprint:${fingerprint}`,
  ];
  const own = planOffer(writeOffer([{}], { session }), LIMITS);
  equal([own.ice.ufrag, own.setup, own.fingerprints[0]!.value.slice(0, 2)], ['abcd', 'actpass', '10']);
  const bare = planOffer(writeOffer([{ without: /^a=(ice-|fingerprint|setup)/ }], { session }), LIMITS);
  equal([bare.ice.ufrag, bare.setup, bare.fingerprints[0]!.value.slice(0, 2)], ['session', 'passive', 'CC']);
});

test('text that is no line of SDP belongs to no m-line, and text without end is refused', () => {
  const offer = writeOffer([{}, { direction: 'recvonly' }]);
  for (const noise of ['M=audio', 'mm=audio 9 x 1', '', ' ']) {
    equal(planOffer(offer.replace('m=audio', `${noise}\r\nm=audio`), LIMITS), planOffer(offer, LIMITS), noise);
  }
  const empty = writeOffer([{}, { direction: 'recvonly', without: /fingerprint/ }]).replace('m=audio', 'm=\r\nm=audio');
  equal(words(planOffer(empty, LIMITS)), ['null refused', '0 both', '1 slot'], 'an empty m-line is one all the same');
  const long = (lines: number): string => `${offer}${'a=x\r\n'.repeat(lines)}`;
  const most = 3000 - offer.split('\n').length;
  is(planOffer(long(most), LIMITS).lines.length, 2);
  match(refusal(long(most + 1)).message, /more than 3000 lines/);
});

test('lines in the bundle need no transport attributes of their own', () => {
  const bare: OfferLine = { media: 'audio', without: /^a=(ice-|fingerprint|setup)/ };
  equal(words(plan([{ media: 'video' }, bare, { ...bare, direction: 'recvonly' }])), ['0 refused', '1 both', '2 slot']);
});

test('every DTLS-SRTP protocol is taken and given back', () => {
  for (const protocol of ['UDP/TLS/RTP/SAVPF', 'TCP/TLS/RTP/SAVPF', 'RTP/SAVPF']) {
    const [line] = plan([{ protocol }]).lines;
    is(line!.protocol, protocol);
  }
});

test('Opus is recognised in any case, and nothing else is taken for it', () => {
  const named = (codec: string, payloadType: number | string = 111): OfferLine[] => [
    { payloadType, without: /rtpmap/, more: [`a=rtpmap:${payloadType} ${codec}`] },
  ];
  for (const codec of ['opus/48000/2', 'OPUS/48000/2', 'Opus/48000/2']) equal(words(plan(named(codec))), ['0 both']);
  for (const codec of [
    'opus/48000',
    'opus/48000/1',
    'opus/44100/2',
    'opus',
    'multiopus/48000/6',
    'red/48000/2',
    'L16',
  ]) {
    is(refusal(writeOffer(named(codec))).kind, 'no-audio', codec);
  }
  for (const payloadType of [0, 63, 96, 109, 111, 127]) {
    is(plan(named('opus/48000/2', payloadType)).publication?.payloadType, payloadType);
  }
  for (const payloadType of [64, 72, 95, 128, 1111, '', '-1']) {
    is(refusal(writeOffer(named('opus/48000/2', payloadType))).kind, 'no-audio', String(payloadType));
  }
  const second: OfferLine = {
    payloadType: '72 112',
    without: /rtpmap/,
    more: ['a=rtpmap:72 opus/48000/2', 'a=rtpmap:112 opus/48000/2'],
  };
  is(plan([second]).publication?.payloadType, 112, 'the first that is usable');
});

test('a payload type that the m-line does not list is none of its formats', () => {
  const offer = writeOffer([{}]).replace('SAVPF 111', 'SAVPF 0 8');
  is(refusal(offer).kind, 'no-audio');
});

test('the level extension counts where the line publishes, with an id of the one-byte form', () => {
  const level = (id: string): number => {
    const [line] = plan([
      { without: /extmap/, more: [`a=extmap:${id} urn:ietf:params:rtp-hdrext:ssrc-audio-level`] },
    ]).lines;
    return line?.kind === 'audio' ? line.levelExtension : -1;
  };
  is(level('1'), 1);
  is(level('14'), 14);
  is(level('3/sendrecv'), 3);
  is(level('3/sendonly'), 3);
  for (const id of ['3/recvonly', '3/inactive']) is(level(id), 0, id);
  for (const id of ['0', '15', '256', '99999999999999999999']) is(level(id), 0, id);
  const [, slot] = plan([{}, { direction: 'recvonly' }]).lines;
  is(slot?.kind === 'audio' && slot.levelExtension, 0);
  const [none] = plan([{ without: /extmap/ }]).lines;
  is(none?.kind === 'audio' && none.levelExtension, 0);
});

test('the level extension of the session holds for the line that publishes, unless that has its own', () => {
  const session = ['a=extmap:5 urn:ietf:params:rtp-hdrext:ssrc-audio-level'];
  for (const [without, id] of [
    [/extmap/, 5],
    [/nothing/, 1],
  ] as const) {
    const [line] = planOffer(writeOffer([{ without }], { session }), LIMITS).lines;
    is(line?.kind === 'audio' && line.levelExtension, id);
  }
});

test('a level extension id with leading zeros is a number or nothing, never its text', () => {
  const [line] = plan([
    { without: /extmap/, more: ['a=extmap:0007 urn:ietf:params:rtp-hdrext:ssrc-audio-level'] },
  ]).lines;
  const id = line?.kind === 'audio' ? line.levelExtension : -1;
  ok(id === 0 || id === 7, `${typeof id} ${id}`);
});

test('declared SSRCs are taken from the publishing line, a few, each once, and none is no fault', () => {
  const ssrcs = (more: string[]): readonly number[] | undefined =>
    plan([{ without: /ssrc:/, more }]).publication?.ssrcs;
  equal(ssrcs([]), []);
  equal(ssrcs(['a=ssrc:7 cname:x', 'a=ssrc:7 msid:a b', 'a=ssrc:8 cname:x']), [7, 8]);
  equal(ssrcs(['a=ssrc:4294967295 cname:x', 'a=ssrc:4294967296 cname:x']), [-1]);
  is(ssrcs(Array.from({ length: 50 }, (_, i) => `a=ssrc:${i + 1} cname:x`))?.length, 4);
});

test('what the transport needs is named when it is missing or malformed', () => {
  const table: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
    ['a=ice-ufrag', 'RFC 8839', ['abcd', 'a'.repeat(256), '1234', '+/+/'], ['abc', 'a'.repeat(257), 'ab-d', 'äbcd']],
    [
      'a=ice-pwd',
      'RFC 8839',
      ['a'.repeat(22), 'a'.repeat(256)],
      ['a'.repeat(21), 'a'.repeat(257), `${'a'.repeat(22)}"`],
    ],
    [
      'a=fingerprint',
      'RFC 8122',
      [`sha-256 ${'AB:'.repeat(31)}ab`, `SHA-1 ${'AB:'.repeat(19)}AB`, `sha-512 ${'AB:'.repeat(63)}AB`],
      [
        'sha-256',
        'sha-256 AB',
        `md5 ${'AB:'.repeat(15)}AB`,
        `sha-256 ${'AB:'.repeat(31)}ZZ`,
        `sha-256 ${'AB'.repeat(32)}`,
      ],
    ],
    ['a=setup', 'RFC 8842', ['active', 'passive', 'actpass'], ['holdconn', 'x', 'ACTIVE']],
  ];
  for (const [attribute, source, good, bad] of table) {
    const without = new RegExp(`^${attribute}`);
    for (const value of good) plan([{ without, more: [`${attribute}:${value}`] }]);
    for (const value of bad) {
      const error = refusal(writeOffer([{ without, more: [`${attribute}:${value}`] }]));
      is(error.kind, 'bad-sdp');
      match(error.message, attribute);
      match(error.message, source);
    }
    if (attribute === 'a=setup') is(plan([{ without }]).setup, 'actpass');
    else match(refusal(writeOffer([{ without }])).message, attribute);
  }
});

test('a fingerprint has the length of its hash', () => {
  const short = `a=fingerprint:sha-256 ${'AB:'.repeat(19)}AB`;
  is(refusal(writeOffer([{ without: /fingerprint/, more: [short] }])).kind, 'bad-sdp');
});

test('what the transport needs may stand before the first m-line', () => {
  const lines = writeOffer([{}]).split('\r\n');
  const session = lines.filter((line) => /^a=(ice-|fingerprint|setup)/.test(line));
  const read = planOffer(writeOffer([{ without: /^a=(ice-|fingerprint|setup)/ }], { session }), LIMITS);
  equal(read, plan([{}]));
});

test('two lines with one mid are an error, even if one is refused', () => {
  for (const second of [{ mid: 'a' }, { mid: 'a', media: 'video' as const }, { mid: 'a', port: 0 }]) {
    const error = refusal(writeOffer([{ mid: 'a' }, second]));
    is(error.kind, 'bad-sdp');
    match(error.message, 'two m-lines have a=mid:a');
  }
});

test('a line that does not share the transport of the first accepted one is refused', () => {
  const slot: OfferLine = { direction: 'recvonly' };
  const grouped = (bundle: readonly string[] | null): string[] =>
    words(planOffer(writeOffer([{}, slot, slot], { bundle }), LIMITS));
  equal(grouped(['0', '2']), ['0 both', '1 refused', '2 slot']);
  equal(grouped(null), ['0 both', '1 refused', '2 refused']);
  equal(grouped(['1', '2']), ['0 both', '1 refused', '2 refused']);
  const twoGroups = writeOffer([{}, slot, slot], { bundle: ['0'], session: ['a=group:BUNDLE 1 2'] });
  equal(words(planOffer(twoGroups, LIMITS)), ['0 both', '1 refused', '2 refused']);
  const lipSync = writeOffer([{}, slot], { bundle: null, session: ['a=group:LS 0 1'] });
  equal(words(planOffer(lipSync, LIMITS)), ['0 both', '1 refused']);
});

test('port 0 refuses a line, unless it is bundle-only', () => {
  equal(words(plan([{}, { direction: 'recvonly', port: 0 }])), ['0 both', '1 refused']);
  equal(words(plan([{}, { direction: 'recvonly', port: 0, more: ['a=bundle-only'] }])), ['0 both', '1 slot']);
});

test('too many m-lines are an error, whatever they are', () => {
  const limits = { ...LIMITS, maxLines: 3 };
  is(plan([{}, {}, {}], limits).lines.length, 3);
  const error = refusal(writeOffer([{}, {}, {}, { media: 'video' }]), limits);
  is(error.kind, 'bad-sdp');
  match(error.message, 'the offer has 4 m-lines; 3 are allowed');
});

test('what is no SDP is refused with the next step', () => {
  const texts = [
    '',
    'hello',
    'v=1\r\n',
    'v=0',
    ' v=0\r\n',
    '\r\nv=0\r\n',
    'null',
    'candidate:1 1 udp 1 192.0.2.2 9 typ host',
  ];
  for (const text of texts) {
    const error = refusal(text);
    is(error.kind, 'bad-sdp');
    match(error.message, 'raw SDP of an offer, beginning with v=0');
    ok(!error.message.includes('JSON'));
  }
  const json = JSON.stringify({ type: 'offer', sdp: writeOffer([{}]) });
  match(refusal(json).message, 'it is JSON: send description.sdp, not the description');
  match(refusal('v=0\r\n').message, 'no m-line');
});

test('lone line feeds are taken for line ends', () => {
  equal(planOffer(writeOffer([{}]).replaceAll('\r\n', '\n'), LIMITS), plan([{}]));
});

test('an offer may have 3000 lines of text, and no more', () => {
  const offer = (lines: number): string => {
    const start = writeOffer([{}]);
    return start + 'a=x\r\n'.repeat(lines - start.split('\n').length);
  };
  equal(words(planOffer(offer(3000), LIMITS)), ['0 both']);
  const error = refusal(offer(3001));
  equal([error.kind, error.message], ['bad-sdp', 'the offer has more than 3000 lines']);
});

test('an offer without any m-line, or whose first line is not v=0 alone, is no SDP', () => {
  match(refusal('v=0\r\ns=-\r\n').message, /no m-line/);
  is(refusal('v=0\r\ns=-\r\n').kind, 'bad-sdp');
  is(refusal(writeOffer([{}]).replace('v=0', 'v=01')).kind, 'bad-sdp');
});

test('surplus slots are counted, and other refused lines are not', () => {
  const limits = { ...LIMITS, maxSlots: 1 };
  is(plan([{ direction: 'recvonly' }, {}, { direction: 'recvonly' }], limits).surplusSlots, 2);
  is(plan([{}, { direction: 'sendonly' }, { direction: 'inactive' }], limits).surplusSlots, 0);
});

test('an impossible message size is replaced by the default', () => {
  const size = (text: string): number | undefined =>
    plan([{}, { media: 'application', without: /max-message/, more: [`a=max-message-size:${text}`] }]).data
      ?.maxMessageSize;
  equal([size('-1'), size('9007199254740992'), size('70000')], [65_536, 65_536, 70_000]);
});

test('payload types from 64 to 95, which read as RTCP, are not used; their neighbours are', () => {
  for (const payloadType of [63, 96]) is(plan([{ payloadType }]).publication?.payloadType, payloadType);
  for (const payloadType of [64, 95]) match(refusal(writeOffer([{ payloadType }])).message, /no opus/);
});

test('up to four SSRCs are read from a line, as signed words, and malformed ones are ignored', () => {
  const declared = (...ids: (string | number)[]): readonly number[] | undefined =>
    plan([{ without: /ssrc:/, more: ids.map((id) => `a=ssrc:${id} cname:x`) }]).publication?.ssrcs;
  equal(declared(1, 2, 3, 4, 5), [1, 2, 3, 4]);
  equal(declared(4_294_967_295, 2_147_483_648), [-1, -2_147_483_648]);
  equal(declared(4_294_967_296, 7), [7]);
});

test('a refused line is described by Opus, or else by a format with a known encoding, or else by its first format', () => {
  const described = (formats: string, more: string[]): unknown => {
    const line: OfferLine = { payloadType: formats, direction: 'sendonly', without: /rtpmap/, more };
    const [, refused] = plan([{}, line]).lines;
    return refused?.kind === 'refused' ? [refused.format, refused.encoding] : null;
  };
  equal(described('0 111', ['a=rtpmap:111 opus/48000/2']), ['111', 'opus/48000/2']);
  equal(described('98 8', []), ['8', 'PCMA/8000']);
  equal(described('98 99', []), ['98', null]);
});

test('the id of the level extension is a whole number from 1 to 14, and other ids are none', () => {
  const id = (text: string): number | undefined =>
    plan([{ without: /extmap/, more: [`a=extmap:${text} ${LEVEL_EXTENSION}`] }]).publication?.levelExtension;
  equal(['0', '1', '14', '15', '1.5'].map(id), [0, 1, 14, 0, 0]);
});

test.run();
