/** The server's own certificate. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { is, ok } from 'uvu/assert';
import { makeCertificate } from '../../../src/main/media/certificate.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('certificate');
const NOW = Date.UTC(2026, 10, 27, 5, 6, 7);

test('a certificate is signed with its own key, on the curve that all clients know', () => {
  const { certificate, key } = makeCertificate(NOW);
  const read = new X509Certificate(certificate);
  ok(read.verify(read.publicKey));
  ok(read.checkPrivateKey(createPrivateKey(key)));
  ok(read.checkIssued(read));
  is(read.subject, 'CN=backend-webrtc');
  is(read.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('a certificate holds from an hour before, for clocks that are behind, and for years', () => {
  const read = new X509Certificate(makeCertificate(NOW).certificate);
  is(Date.parse(read.validFrom), NOW - 3_600_000);
  is(Date.parse(read.validTo), Date.UTC(2036, 10, 27, 5, 6, 7));
});

test('each start has its own key and its own number, which is above 0', () => {
  const all = Array.from({ length: 50 }, () => makeCertificate(NOW));
  is(new Set(all.map(({ key }) => key)).size, 50);
  const numbers = all.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
  is(new Set(numbers).size, 50);
  for (const number of numbers) ok(/^[4-7][\dA-F]{31}$/.test(number), number);
});

test.run();
