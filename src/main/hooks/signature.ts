/** Signs what goes to `WEBHOOK_URL`, so that its receiver knows who sent it, and when. */
import { createHmac } from 'node:crypto';

export const SIGNATURE_HEADER = 'X-Signature';

/**
 * Returns the value of the header: `t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA256 of `SECONDS.BODY`; one `v1` for
 * each secret.
 *
 * @param seconds since 1970.
 */
export function signature(secrets: readonly string[], seconds: number, body: string): string {
  const signed = secrets.map((secret) => createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'));
  return [`t=${seconds}`, ...signed.map((hex) => `v1=${hex}`)].join(',');
}
