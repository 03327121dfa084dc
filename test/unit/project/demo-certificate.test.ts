/** The certificate that the demo makes for others in the network, as OpenSSL reads it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { equal, is, not, ok } from 'uvu/assert';
import { makeCertificate } from '../../../demo/certificate.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('demo certificate');
const NOW = Date.UTC(2026, 10, 28, 12, 34, 56);
const NAMES = ['192.168.1.20', 'fd00::2', '::1', '1:2:3:4:5:6:7:8', 'fd00::1:0:0:c0a8:114', 'localhost'];

function made(names = NAMES): X509Certificate {
  return new X509Certificate(makeCertificate(names, NOW).cert);
}

test('it is for each of its names, and for no other', () => {
  const certificate = made();
  for (const name of NAMES.slice(0, -1)) is(certificate.checkIP(name), name);
  is(certificate.checkHost('localhost'), 'localhost');
  is(certificate.checkIP('192.168.1.21'), undefined);
  is(certificate.checkIP('fd00::3'), undefined);
  is(certificate.checkHost('evil.example'), undefined);
});

test('it holds for a day before it is made, and for thirty after', () => {
  const { validFrom, validTo } = made();
  equal([validFrom, validTo].map(Date.parse), [Date.UTC(2026, 10, 27, 12, 34, 56), Date.UTC(2026, 11, 28, 12, 34, 56)]);
});

test('its own key has signed it, and it may sign no other', () => {
  const { cert, key } = makeCertificate(NAMES, NOW);
  const certificate = new X509Certificate(cert);
  ok(certificate.checkPrivateKey(createPrivateKey(key)));
  ok(certificate.verify(certificate.publicKey));
  is(certificate.subject, certificate.issuer);
  is(certificate.ca, false);
  const constraints = '300c0603551d130101ff04023000';
  ok(certificate.raw.toString('hex').includes(constraints), 'which every reader has to respect');
  equal(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'for servers');
});

test('each has a key and a number of its own', () => {
  const [one, other] = [made(), made()];
  not.equal(one.serialNumber, other.serialNumber);
  not.equal(one.fingerprint256, other.fingerprint256);
});

test('it may have many names, and writes lengths in as few bytes as DER demands', () => {
  for (const [count, head] of [
    [20, '3078'],
    [30, '3081b4'],
    [200, '308204b0'],
  ] as const) {
    const many = Array.from({ length: count }, (_, i) => `10.0.0.${i}`);
    const certificate = made(many);
    is(certificate.checkIP(`10.0.0.${count - 1}`), `10.0.0.${count - 1}`);
    ok(certificate.raw.toString('hex').includes(`${head}87040a000000`), head);
  }
});

test.run();
