/** Turns a validator's schema into a JSON schema. */
import { type ConversionConfig, toJsonSchema } from '@valibot/to-json-schema';
import type * as v from 'valibot';

/**
 * Returns the JSON schema of what a sender may write, in which members with a default are optional.
 *
 * @param config the draft, and where repeated schemas stand.
 */
export function jsonSchema(schema: v.GenericSchema, config: ConversionConfig): Record<string, unknown> {
  return {
    ...toJsonSchema(schema, {
      typeMode: 'input',
      overrideAction: ({ valibotAction, jsonSchema }) =>
        valibotAction.type === 'safe_integer'
          ? { ...jsonSchema, type: 'integer', maximum: Number.MAX_SAFE_INTEGER }
          : null,
      ...config,
    }),
  };
}
