/** What connections to NATS prove who they are with: certificates and credentials, made for a test. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { temporaryFolder } from './proxies.ts';

export interface Certificates {
  /** Path of the authority's certificate. */
  readonly ca: string;
  /** Paths of a certificate and its key. */
  issue(name: string, altNames: string): { readonly cert: string; readonly key: string };
}

/** Makes an authority that nobody knows. */
export function makeAuthority(): Certificates {
  const folder = temporaryFolder('authority');
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2');
  const issue: Certificates['issue'] = (name, altNames) => {
    const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((end) => `${name}.${end}`) as [
      ...[string, string, string, string],
    ];
    openssl('req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    writeFileSync(join(folder, extensions), `subjectAltName=${altNames}\n`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', extensions];
    openssl('x509', '-req', '-in', request, '-out', cert, ...by);
    return { cert: join(folder, cert), key: join(folder, key) };
  };
  return { ca: join(folder, 'ca.pem'), issue };
}

/** An operator of NATS with one account, as `nsc` would make them. */
export interface NatsOperator {
  /** Lines for the configuration of NATS. */
  readonly config: string;
  /** Returns the text of a file of credentials. @param seconds how long they are good. */
  credentials(seconds?: number): string;
}

export function makeOperator(): NatsOperator {
  const [operator, account] = [nkeys.createOperator(), nkeys.createAccount()];
  const [operatorId, accountId] = [operator.getPublicKey(), account.getPublicKey()];
  const limits = { subs: -1, conn: -1, leaf: -1, imports: -1, exports: -1, data: -1, payload: -1, wildcards: true };
  const accountClaims = { nats: { type: 'account', version: 2, limits }, sub: accountId, name: 'voice' };
  const config = `operator: "${sign(operator, operatorId, { nats: { type: 'operator', version: 2 }, sub: operatorId })}"
resolver: MEMORY
resolver_preload: { ${accountId}: "${sign(operator, operatorId, accountClaims)}" }`;
  const credentials = (seconds = 3600): string => {
    const user = nkeys.createUser();
    const exp = Math.floor(Date.now() / 1000) + seconds;
    const nats = { type: 'user', version: 2, subs: -1, data: -1, payload: -1 };
    const jwt = sign(account, accountId, { nats, sub: user.getPublicKey(), name: 'instance', exp });
    const seed = new TextDecoder().decode(user.getSeed());
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;
  };
  return { config, credentials };
}

function sign(by: { sign(data: Uint8Array): Uint8Array }, iss: string, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ jti: 'test', iat, iss, ...claims })}`;
  return `${text}.${Buffer.from(by.sign(new TextEncoder().encode(text))).toString('base64url')}`;
}
