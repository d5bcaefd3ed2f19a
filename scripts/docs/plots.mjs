/** A plot for each suite of the page of figures: how many times Percore is ahead of each baseline, with the spread. */
import { SUITES, readResults } from '../figures.mjs';

const WIDTH = 760;
const LEFT = 390;
const RIGHT = 60;
const ROW = 20;
const TOP = 30;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const short = (factor) => Number(factor.toPrecision(2)).toLocaleString('en-US');

/** The page with a plot below the heading of each suite. */
export function plotsInto(content) {
  return content.map((part) => ({
    ...part,
    text: SUITES.reduce((text, { name, title }) => text.replace(`## ${title}\n`, `## ${title}\n\n${plotOf(name)}\n`),
      part.text),
  }));
}

/** How many times Percore is ahead, whichever direction is better; above 1 is ahead. */
function aheadOf({ better, ratio, spread }) {
  const of = better === 'higher' ? (value) => value : (value) => 1 / value;
  const ends = spread?.of === 'ratio' ? [of(spread.min), of(spread.max)] : [of(ratio), of(ratio)];
  return { factor: of(ratio), least: Math.min(...ends), most: Math.max(...ends) };
}

function plotOf(suite) {
  const all = readResults('bench/results', suite).rows.filter(({ ratio }) => ratio > 0)
    .map((row) => ({ ...row, ...aheadOf(row) }))
    .filter(({ least, most }) => least > 0 && Number.isFinite(most));
  const low = Math.floor(Math.log10(Math.min(...all.map(({ least }) => least))));
  const high = Math.ceil(Math.log10(Math.max(...all.map(({ most }) => most))));
  const x = (factor) => LEFT + (WIDTH - LEFT - RIGHT) * (Math.log10(factor) - low) / (high - low);
  const height = TOP + ROW * all.length + 8;
  const lines = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)).map((tick) =>
    `<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP - 6}" y2="${height}" stroke="currentColor" `
    + `stroke-opacity="${tick === 1 ? 0.8 : 0.2}"/>`
    + `<text x="${x(tick)}" y="14" text-anchor="middle">${tick === 1 ? 'equal' : `${tick} ×`}</text>`);
  const rows = all.map(({ name, metric, baseline, factor, least, most }, i) => {
    const y = TOP + ROW * i + ROW / 2;
    const color = factor >= 1 ? '#2a9d6f' : '#d9822b';
    const label = escape(`${name}, ${metric}: beside ${baseline.name}`);
    return `<text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${label}</text>`
      + `<line x1="${x(least)}" x2="${x(most)}" y1="${y}" y2="${y}" stroke="${color}" stroke-width="3"/>`
      + `<circle cx="${x(factor)}" cy="${y}" r="5" fill="${color}"/>`
      + `<text x="${WIDTH - RIGHT + 8}" y="${y + 4}">${short(factor)} ×</text>`;
  });
  // One line: Markdown ends a block of HTML at the first empty one.
  return `How many times Percore is ahead of each baseline: the median, and the least and the most of all pairs. `
    + `Left of "equal" it is behind.\n\n<div style="overflow-x:auto"><svg class="plot" style="min-width:40rem" `
    + `viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Ratios of the suite ${suite}" fill="currentColor">`
    + `${lines.join('')}${rows.join('')}</svg></div>\n`;
}
