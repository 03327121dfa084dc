/** Who this instance is. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

const PACKAGE = new URL('../../../../package.json', import.meta.url);
/** Longest id, characters. */
const MAX_ID = 64;

export interface Identity {
  /** Its name for people, `INSTANCE_ID`. */
  readonly id: string;
  /** Its identity on the bus, 12 hexadecimal digits. A process that starts again is another incarnation. */
  readonly incarnation: string;
  readonly version: string;
  readonly host: string;
  readonly pid: number;
}

/** @param id `INSTANCE_ID`, or empty for one of the host's name and four random hexadecimal digits. */
export function makeIdentity(id: string, host: string = hostname()): Identity {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  const incarnation = randomBytes(6).toString('hex');
  return { id: id || makeId(host), incarnation, version, host: host.slice(0, 255), pid: process.pid };
}

function makeId(host: string): string {
  const end = `-${randomBytes(2).toString('hex')}`;
  return host.replace(/[^\w.-]/g, '-').slice(0, MAX_ID - end.length) + end;
}

/** Names an instance in a sentence for people. */
export function describe({ id, incarnation, host, pid }: Omit<Identity, 'version'>): string {
  return `${id} (process ${pid} on ${host}, incarnation ${incarnation})`;
}

/** Says to people that another instance has this one's id. @param other as {@link describe} names it. */
export function twice(other: string, self: Identity): string {
  return `two instances have one INSTANCE_ID: ${other} and this one, ${describe(self)}; give each its own, or none`;
}
