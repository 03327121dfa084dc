/** Checks values against the JSON schemas of the documents. It knows the keywords that these use, and no others. */

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

type Check = (value: unknown, limit: never, schema: JsonSchema, root: object) => boolean;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: Array.isArray,
  object: isObject,
};

const ANY = (): boolean => true;
/** A keyword that is about another type of value than this one says nothing. */
const CHECKS: Readonly<Record<string, Check>> = {
  title: ANY,
  description: ANY,
  default: ANY,
  $ref: (value, pointer: string, _, root) => fits(value, resolve(root, pointer) as JsonSchema, root),
  type: (value, type: string) => TYPES[type]!(value),
  const: (value, wanted) => value === wanted,
  enum: (value, all: readonly unknown[]) => all.includes(value),
  minimum: (value, least: number) => typeof value !== 'number' || value >= least,
  maximum: (value, most: number) => typeof value !== 'number' || value <= most,
  minLength: (value, least: number) => typeof value !== 'string' || value.length >= least,
  pattern: (value, pattern: string) => typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  maxItems: (value, most: number) => !Array.isArray(value) || value.length <= most,
  items: (value, item: JsonSchema, _, root) => !Array.isArray(value) || value.every((one) => fits(one, item, root)),
  required: (value, names: readonly string[]) => !isObject(value) || names.every((name) => Object.hasOwn(value, name)),
  properties: (value, all: Readonly<Record<string, JsonSchema>>, _, root) =>
    !isObject(value) ||
    Object.entries(all).every(([name, schema]) => !Object.hasOwn(value, name) || fits(value[name], schema, root)),
  propertyNames: (value, schema: JsonSchema, _, root) =>
    !isObject(value) || Object.keys(value).every((name) => fits(name, schema, root)),
  additionalProperties: (value, rest: JsonSchema, { properties = {} }, root) =>
    !isObject(value) ||
    Object.entries(value).every(([name, one]) => Object.hasOwn(properties as object, name) || fits(one, rest, root)),
  anyOf: (value, all: readonly JsonSchema[], _, root) => all.some((schema) => fits(value, schema, root)),
  oneOf: (value, all: readonly JsonSchema[], _, root) => all.filter((schema) => fits(value, schema, root)).length === 1,
};

/**
 * Returns whether a value fits a schema.
 *
 * @param root the document to which references point.
 * @throws Error at a keyword that it does not know.
 */
export function fits(value: unknown, schema: JsonSchema, root: object): boolean {
  return Object.entries(schema).every(([keyword, limit]) => {
    const check = CHECKS[keyword];
    if (check === undefined) throw new Error(`keyword ${keyword} is not known`);
    return check(value, limit as never, schema, root);
  });
}

/** Returns what a pointer such as `#/components/messages/offer` leads to. @throws Error if there is nothing. */
export function resolve(root: object, pointer: string): object {
  let at: unknown = root;
  for (const step of pointer.replace(/^#\//, '').split('/')) at = (at as Record<string, unknown> | undefined)?.[step];
  if (!pointer.startsWith('#/') || !isObject(at)) throw new Error(`${pointer} leads nowhere`);
  return at;
}
