/** Reads what a permission service says in the body of its 2xx. */
import * as v from 'valibot';
import { FULL_GRANT, type Grant } from '../conversations/rights.ts';

const Body = v.object({ speak: v.optional(v.boolean(), true) });

/**
 * Reads a body. Members that are not listed in docs/http-api.md are ignored.
 *
 * @returns null for what is no JSON object, or one with a member of another kind than documented.
 */
export function readGrant(body: string): Grant | null {
  try {
    const json: unknown = JSON.parse(body);
    if (Array.isArray(json)) return null;
    const result = v.safeParse(Body, json);
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

/**
 * Returns what a 2xx grants. With an empty body it grants everything, as it does with JSON that cannot be read.
 *
 * @param body null if it is too long.
 */
export function grantOf(body: string | null): { readonly grant: Grant; readonly understood: boolean } {
  if (body?.trim() === '') return { grant: FULL_GRANT, understood: true };
  const grant = body === null ? null : readGrant(body);
  return { grant: grant ?? FULL_GRANT, understood: grant !== null };
}
