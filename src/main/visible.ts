/**
 * Text for people's eyes. Ids and names are whatever a client, or who gave it its claim, chose; shown as they are, some
 * characters do something to a terminal or hide what stands beside them.
 */

/**
 * Control characters of both sets (U+009B begins a command as ESC [ does), marks that change the direction of writing,
 * separators of lines and paragraphs, tags, and all that has no width (Unicode's general categories Cc, Cf, Zl and Zp, and
 * Default_Ignorable_Code_Point); surrogates without their other half as well.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Text with JSON's escapes for what cannot be seen, except line feeds and tabulators. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => (isLayout(character) ? character : escapes(character)));
}

/** JSON that reads as the same value, and has escapes for what cannot be seen. */
export const visibleJson = visible;

/** JSON whose strings say {@link visible} text once they are read. */
export function visibleOnceRead(json: string): string {
  return visibleJson(json).replace(UNSEEN_ESCAPE, (found, pair: string | undefined) => pair ?? `\\${found}`);
}

/** A pair of backslashes, which begins no escape; or the escape of a character of {@link UNSEEN}. */
const UNSEEN_ESCAPE = /(\\\\)|\\u[\da-f]{4}|\\[bfr]/gi;

function isLayout(character: string): boolean {
  return character === '\n' || character === '\t';
}

function escapes(character: string): string {
  return Array.from({ length: character.length }, (_, i) => {
    return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }).join('');
}
