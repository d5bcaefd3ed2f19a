/** Text in the cells of a terminal: names may have letters that take two of them, or none, or that a terminal obeys. */

const ASCII = /^[ -~]*$/;
/** Control characters, those that turn the direction of text around them, and breaks of lines. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Combining marks. */
const NO_CELL = /\p{M}/u;
/** East Asian letters, and what is drawn as an emoji. */
const TWO_CELLS = new RegExp(
  '[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97f\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f'
  + '\\uff00-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18aff}\\u{1b000}-\\u{1b2ff}\\u{1f1e6}-\\u{1f1ff}'
  + '\\u{20000}-\\u{3fffd}]|\\p{Emoji_Presentation}', 'u',
);

/** The same text without what a terminal would obey. */
export const plain = (text: string): string => (ASCII.test(text) ? text : text.replace(UNSAFE, '?'));

/** As much of a plain text as fits into `width` cells. */
export function cut(text: string, width: number): string {
  // Nearly all text is of this kind, and measuring each letter of a screen costs a tenth of a core.
  if (ASCII.test(text)) return text.slice(0, width);
  let room = width;
  let kept = '';
  for (const letter of text) {
    room -= cellsOf(letter);
    if (room < 0) break;
    kept += letter;
  }
  return kept;
}

/** The same, with blanks up to `width` cells. */
export function padded(text: string, width: number): string {
  const kept = cut(text, width);
  return kept + ' '.repeat(width - cells(kept));
}

function cells(text: string): number {
  if (ASCII.test(text)) return text.length;
  return Array.from(text).reduce((sum, letter) => sum + cellsOf(letter), 0);
}

const cellsOf = (letter: string): number => (NO_CELL.test(letter) ? 0 : TWO_CELLS.test(letter) ? 2 : 1);
