/**
 * Makes text safe to show. Clients, or the issuers of their claims, choose ids and names freely, and some characters
 * would control a terminal or hide the text around them.
 */

/**
 * Control characters of both sets (U+009B starts a command as ESC [ does), marks that change the direction of writing,
 * separators of lines and paragraphs, tags, and everything without a width (Unicode's general categories Cc, Cf, Zl and
 * Zp, and Default_Ignorable_Code_Point); also lone surrogates.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Replaces invisible characters by JSON escapes, except line feeds and tabs. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => (isLayout(character) ? character : escapes(character)));
}

/** Returns JSON with the same value, and with escapes for invisible characters. */
export const visibleJson = visible;

/** Returns JSON whose strings are {@link visible} text once they are parsed. */
export function visibleOnceRead(json: string): string {
  return visibleJson(json).replace(UNSEEN_ESCAPE, (found, pair: string | undefined) => pair ?? `\\${found}`);
}

/** Two backslashes, which do not start an escape, or the escape of a character that may be in {@link UNSEEN}. */
const UNSEEN_ESCAPE = /(\\\\)|\\u[\da-f]{4}|\\[bfr]/gi;

function isLayout(character: string): boolean {
  return character === '\n' || character === '\t';
}

function escapes(character: string): string {
  return Array.from({ length: character.length }, (_, i) => {
    return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }).join('');
}
