/** A plot for each suite of the page of figures: how many times Percore is ahead of each baseline, with the spread. */
import { aheadOf } from '../ahead.mjs';
import { SUITES, readResults, varyingParams } from '../figures.mjs';

/** How many percent of the width of a plot are left free at each end, for the labels of the first and the last tick. */
const MARGIN = 9;
/** The most labels of ticks that do not overlap on a phone. */
const MOST_TICKS = 6;

export const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
/** "0.94 ×", "1,200 ×", "40M ×". */
const times = (factor) => `${factor.toLocaleString('en-US', {
  maximumSignificantDigits: 2, notation: factor >= 1e5 ? 'compact' : 'standard',
})} ×`;

/** Returns the page with a plot below the heading of each suite. */
export function plotsInto(content) {
  return content.map((part) => ({
    ...part,
    text: SUITES.reduce((text, { name, title }) => text.replace(`## ${title}\n`, `## ${title}\n\n${plotOf(name)}\n`),
      part.text),
  }));
}

/** The label of a row within its bench: the figure, the parameters that differ between rows, and the baseline. */
function labelOf(row, rows) {
  const params = varyingParams(row, rows.filter(({ name }) => name === row.name));
  return `${row.metric}${params === '' ? '' : `, ${params}`}: beside ${row.baseline.name}`;
}

/**
 * Labels are HTML, so that they wrap. Positions in a plot are percents, so that it is as wide as its container and
 * letters have the same size everywhere. The style sheet puts the labels beside the plot, or above it on narrow
 * screens.
 */
function plotOf(suite) {
  const all = readResults('bench/results', suite).rows.filter(({ ratio }) => ratio > 0)
    .map((row) => ({ ...row, ...aheadOf(row) }))
    .filter(({ least, most }) => least > 0 && Number.isFinite(most));
  const low = Math.floor(Math.log10(Math.min(...all.map(({ least }) => least))));
  const high = Math.ceil(Math.log10(Math.max(...all.map(({ most }) => most))));
  const x = (factor) => `${(MARGIN + (100 - 2 * MARGIN) * (Math.log10(factor) - low) / (high - low)).toFixed(2)}%`;
  const step = Math.ceil((high - low + 1) / MOST_TICKS);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i)
    .filter((decade) => decade % step === 0).map((decade) => Number(`1e${decade}`));
  const row = (label, drawn, factor) => `<div class="plot-row"><span class="plot-label">${label}</span>`
    + `<svg width="100%" aria-hidden="true" fill="currentColor">${drawn}</svg>`
    + `<span class="plot-factor">${factor}</span></div>`;
  const axis = ticks.map((tick) =>
    `<text x="${x(tick)}" y="50%" dy="0.35em" text-anchor="middle">${tick === 1 ? 'equal' : times(tick)}</text>`)
    .join('');
  const grid = ticks.map((tick) => `<line x1="${x(tick)}" x2="${x(tick)}" y1="0" y2="100%" stroke="currentColor" `
    + `stroke-opacity="${tick === 1 ? 0.8 : 0.2}"/>`).join('');
  const rows = all.map((each) => {
    const { name, factor, least, most } = each;
    const color = factor >= 1 ? '#2a9d6f' : '#d9822b';
    return row(`<b>${escape(name)}</b> ${escape(labelOf(each, all))}`,
      `${grid}<line x1="${x(least)}" x2="${x(most)}" y1="50%" y2="50%" stroke="${color}" stroke-width="3"/>`
      + `<circle cx="${x(factor)}" cy="50%" r="5" fill="${color}"/>`, times(factor));
  });
  // All in one line, since Markdown ends a block of HTML at the first empty line.
  return `How many times Percore is ahead of each baseline: the median, and the least and the most of all pairs. `
    + `Left of "equal" it is behind.\n\n<div class="plot" role="group" aria-label="Ratios of the suite ${suite}">`
    + `${row('', axis, '')}${rows.join('')}</div>\n`;
}
