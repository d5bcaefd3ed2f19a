/** Writes rows for people: a table with fixed columns, and the notes below it. */
import type { Row, Target } from './harness.js';

const HEADINGS = [
  'row', 'metric', 'params', 'ours', 'baseline', 'theirs', 'ratio', 'spread of ratio', 'near / far', 'target', '',
];

export function table(rows: readonly Row[]): string {
  const cells = [HEADINGS, ...rows.map(rowCells)];
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  const notes = [...new Set(rows.filter((row) => row.note !== undefined).map((row) => `${row.name}: ${row.note}`))];
  return `${lines.join('\n')}\n${notes.map((note) => `\n${note}`).join('')}${notes.length === 0 ? '' : '\n'}`;
}

function rowCells(row: Row): string[] {
  const params = Object.entries(row.params).map(([name, value]) => `${name}=${value}`).join(' ');
  if (!row.verified) {
    return [
      `${row.suite}/${row.name}`,
      row.metric,
      params,
      'no figure',
      row.baseline.name,
      '',
      '',
      '',
      '',
      '',
      'CHECK FAILED',
    ];
  }
  const { spread, target } = row;
  return [
    `${row.suite}/${row.name}`,
    row.metric,
    params,
    amount(row.value, row.unit),
    row.baseline.name,
    amount(row.baseline.value, row.unit),
    row.ratio === null ? '-' : digits(row.ratio),
    spread === null
      ? '-'
      : spread.of === 'ratio'
        ? `${digits(spread.min)} - ${digits(spread.max)}`
        : `${digits(spread.min)} - ${digits(spread.max)} ${row.unit}`,
    distanceText(row.distance),
    target === null ? '-' : targetText(target, row.unit),
    target === null ? '' : target.isMet ? 'met' : 'MISSED',
  ];
}

/** "0.92 (3) / 0.75 (2)": the ratio in three runs between near CPUs and in two between far ones. */
function distanceText(distance: Row['distance']): string {
  if (distance === undefined) return '-';
  const text = (part: { value: number; runs: number } | null): string =>
    part === null ? '-' : `${digits(part.value)} (${part.runs})`;
  return `${text(distance.near)} / ${text(distance.far)}`;
}

function targetText(target: Target, unit: string): string {
  const bound = target.atMost === undefined ? `>= ${digits(target.atLeast!)}` : `<= ${digits(target.atMost)}`;
  return target.of === 'ratio' ? bound : `${bound} ${unit}`;
}

const amount = (value: number | null, unit: string): string => (value === null ? '-' : `${digits(value)} ${unit}`);

/** A number with three significant digits and grouped thousands. */
function digits(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(size)))));
}
