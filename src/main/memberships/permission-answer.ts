/** Reads what a permission service says in the body of its 2xx. */
import * as v from 'valibot';
import { FULL_GRANT, type Grant, MAX_METADATA_LENGTH, MAX_NAME_LENGTH } from '../conversations/rights.ts';

const speak = v.optional(v.boolean(), FULL_GRANT.speak);
const name = v.optional(v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME_LENGTH))), null);
const metadata = v.optional(
  v.nullable(
    v.pipe(
      v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
      v.transform((value) => JSON.stringify(value)),
      v.maxLength(MAX_METADATA_LENGTH),
    ),
  ),
  null,
);
const anything = v.record(v.string(), v.unknown());

/** What a 2xx grants, and the names of those members that could not be read; null if the body could not. */
export interface Granted {
  readonly grant: Grant;
  readonly bad: readonly string[] | null;
}

/**
 * Returns what a 2xx grants. With an empty body it grants everything, as it does with JSON that cannot be read. A member
 * that cannot be read counts as missing, and takes nothing from the others.
 *
 * @param body null if it is too long.
 */
export function grantOf(body: string | null): Granted {
  if (body?.trim() === '') return { grant: FULL_GRANT, bad: [] };
  const members = body === null ? null : membersOf(body);
  if (members === null) return { grant: FULL_GRANT, bad: null };
  const bad: string[] = [];
  const read = <T>(member: keyof Grant, schema: v.GenericSchema<unknown, T>, otherwise: T): T => {
    const result = v.safeParse(schema, members[member]);
    if (result.success) return result.output;
    bad.push(member);
    return otherwise;
  };
  const grant = {
    speak: read('speak', speak, FULL_GRANT.speak),
    name: read('name', name, FULL_GRANT.name),
    metadata: read('metadata', metadata, FULL_GRANT.metadata),
  };
  return { grant, bad };
}

function membersOf(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const json: unknown = JSON.parse(body);
    return !Array.isArray(json) && v.is(anything, json) ? json : null;
  } catch {
    return null;
  }
}
