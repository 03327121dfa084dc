/** Parts of several families' messages. */
import * as v from 'valibot';

/** An instance's identity: 48 random bits, made at its start. */
export const incarnation = v.pipe(v.string(), v.regex(/^[\da-f]{12}$/));

/** An instance's name for people, as `INSTANCE_ID` allows. */
export const instanceId = v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/));

/** A number of things, or of bytes. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A time or a duration, milliseconds with fractions. */
export const time = v.pipe(v.number(), v.finite(), v.minValue(0));
