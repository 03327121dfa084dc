/** The server's end of a transport, as the native library describes it. */
import { equal, throws } from 'uvu/assert';
import { readLocalTransport } from '../../../src/main/sdp/transport.ts';
import { scenarios } from '../../support/scenario.ts';
import { LOCAL } from '../../support/sdp-syntax.ts';

const test = scenarios('transport');
const LINES = [
  'v=0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  `a=setup:${LOCAL.setup}`,
  `a=ice-ufrag:${LOCAL.ufrag}`,
  `a=ice-pwd:${LOCAL.pwd}`,
  `a=fingerprint:${LOCAL.fingerprint}`,
  ...LOCAL.candidates.map((candidate) => `a=${candidate}`),
  'a=end-of-candidates',
];

for (const end of ['\r\n', '\n']) {
  test(`a description whose lines end with ${JSON.stringify(end)} is read`, () => {
    equal(readLocalTransport(LINES.join(end)), LOCAL);
  });
}

test('an error names the attribute that is missing', () => {
  for (const name of ['setup', 'ice-ufrag', 'ice-pwd', 'fingerprint']) {
    const text = LINES.filter((line) => !line.startsWith(`a=${name}`)).join('\r\n');
    throws(() => readLocalTransport(text), new RegExp(`no a=${name}`));
  }
});

test.run();
