/** Who is ahead in a row of results, whether high or low figures are better. */

/** How many times Percore is ahead: above 1 it is, below 1 it is behind. With the least and the most of all pairs. */
export function aheadOf({ better, ratio, spread }) {
  const of = better === 'higher' ? (value) => value : (value) => 1 / value;
  const ends = spread?.of === 'ratio' ? [of(spread.min), of(spread.max)] : [of(ratio), of(ratio)];
  return { factor: of(ratio), least: Math.min(...ends), most: Math.max(...ends) };
}

/** Of rows with a ratio: how many there are, in how many ours is ahead, and the others, the furthest behind first. */
export function standingOf(rows) {
  const all = rows.filter(({ ratio }) => ratio > 0).map((row) => ({ row, factor: aheadOf(row).factor }));
  const behind = all.filter(({ factor }) => factor < 1).toSorted((a, b) => a.factor - b.factor);
  return { all: all.length, ahead: all.length - behind.length, behind };
}
