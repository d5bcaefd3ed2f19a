/** The plot in docs/peers.md: how many times ours is ahead of each peer, on one logarithmic axis, with the spread. */
import { aheadOf } from './ahead.mjs';
import { escape } from './docs/plots.mjs';
import { digits } from './figures.mjs';

const [WIDTH, LABELS, RIGHT, ROW, HEAD, TOP] = [900, 300, 70, 18, 30, 34];
const [AHEAD, BEHIND] = ['#2a9d6f', '#d9822b'];
/** A dot beyond these limits is drawn at the edge, with its number beside it. */
const [LEAST, MOST] = [0.01, 1000];

const at = (factor) => {
  const part = Math.log10(Math.min(MOST, Math.max(LEAST, factor)) / LEAST) / Math.log10(MOST / LEAST);
  return (LABELS + part * (WIDTH - LABELS - RIGHT)).toFixed(1);
};

/**
 * The text of an SVG file with groups of rows that have the same bench, metric and parameters.
 * @param {{ title: string, rows: object[] }[]} groups
 */
export function plotOf(groups) {
  const drawn = [];
  let y = TOP;
  for (const { title, rows } of groups) {
    y += HEAD;
    drawn.push(`<text class="title" x="8" y="${y - 10}">${escape(title)}</text>`);
    const all = rows.filter(({ ratio }) => ratio > 0).map((row) => ({ name: row.baseline.name, ...aheadOf(row) }));
    for (const { name, factor, least, most } of all.toSorted((a, b) => a.factor - b.factor)) {
      const [middle, color] = [y + ROW / 2, factor >= 1 ? AHEAD : BEHIND];
      drawn.push(
        `<text x="${LABELS - 10}" y="${middle + 4}" text-anchor="end">${escape(name)}</text>`
        + `<line x1="${at(least)}" x2="${at(most)}" y1="${middle}" y2="${middle}" stroke="${color}" stroke-width="3"/>`
        + `<circle cx="${at(factor)}" cy="${middle}" r="4.5" fill="${color}"/>`
        + `<text x="${WIDTH - RIGHT + 10}" y="${middle + 4}">${digits(factor)} ×</text>`,
      );
      y += ROW;
    }
  }
  const height = y + 12;
  const ticks = [0.01, 0.1, 1, 10, 100, 1000].map((tick) =>
    `<line x1="${at(tick)}" x2="${at(tick)}" y1="${TOP - 6}" y2="${height}" class="${tick === 1 ? 'equal' : 'tick'}"/>`
    + `<text x="${at(tick)}" y="${TOP - 14}" text-anchor="middle">${tick === 1 ? 'equal' : `${tick} ×`}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" \
role="img" font-family="system-ui, sans-serif" font-size="12">
<title>How many times Percore is ahead of each peer</title>
<style>
text { fill: #222 } .title { font-weight: 600 } .tick { stroke: #8884 } .equal { stroke: #888 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
</style>
${[...ticks, ...drawn].join('\n')}
</svg>
`;
}
