/**
 * The table that a terminal gets each second: a row for each band, over all reactors, so that an urgent stream and a
 * flood stand side by side.
 *
 *     band              lines/s     waiting      p50 µs      p99 µs
 *     6  urgent              98           0          52         573
 *     1  flood          491,603         258      12,583      29,884
 *
 * Rates and latencies are those since the table before.
 */
import { HISTOGRAM_WORDS, Histogram, type RuntimeStatus } from 'percore';
import { depth, type JobCounters } from './counters.js';
import { jobReport } from './report.js';

const BANDS = [7, 6, 5, 4, 3, 2, 1, 0];
/** What the demo and the announced commands send. */
const NAMES: Readonly<Record<number, string>> = { 6: 'urgent', 1: 'flood' };

const number = (value: number): string => Math.round(value).toLocaleString('en-US');
const row = (band: string, ...figures: string[]): string =>
  `${band.padEnd(12)}${figures[0]!.padStart(13)}${figures.slice(1).map((figure) => figure.padStart(12)).join('')}`;

export class LiveTable {
  private readonly latencies = BANDS.map(() => new Recent());
  private readonly results = new Map<string, number>();
  private readonly busyNs = new Map<number, number>();
  private lastMs = performance.now();

  constructor(private readonly counters: readonly JobCounters[]) {}

  draw(status: RuntimeStatus): string {
    const nowMs = performance.now();
    const seconds = (nowMs - this.lastMs) / 1000;
    this.lastMs = nowMs;
    const rows = [row('band', 'lines/s', 'waiting', 'p50 µs', 'p99 µs')];
    for (const band of BANDS) {
      const results = this.sum((one) => one.results(band));
      const recent = this.latencies[band]!.take(this.counters.map((one) => one.latency(band)));
      if (results === 0) continue;
      const waiting = this.counters.reduce((sum, _, owner) => sum + depth(this.counters, owner, band), 0);
      const [p50, p99] = [0.5, 0.99].map((share) => number(recent.percentile(share) / 1000));
      rows.push(
        row(
          `${band}  ${NAMES[band] ?? ''}`, number(this.rate(`band ${band}`, results, seconds)), number(waiting), p50!,
          p99!,
        ),
      );
    }
    for (const { id, busyNs, state } of status.reactors) {
      const busy = (busyNs - (this.busyNs.get(id) ?? 0)) / seconds / 1e7;
      this.busyNs.set(id, busyNs);
      const rate = this.rate(`reactor ${id}`, this.counters[id]!.results(), seconds);
      const end = state === 'ready' ? `${busy.toFixed(0)} % busy` : state;
      rows.push(`${row(`reactor ${id}`, number(rate))}  ${end}`);
    }
    rows.push(this.losses(status), LATENCY);
    return rows.join('\n');
  }

  /** Lines rejected, dropped and unsent since the start, and who reads. */
  private losses(status: RuntimeStatus): string {
    // What is on its way while both ends live is not lost, so of what was dropped this says what died.
    const { rejected, droppedByReason, outputs } = jobReport(this.counters, status, 0);
    const bad = Object.entries(rejected).map(([reason, count]) => `${reason} ${count}`).join(', ') || '0';
    const dropped = droppedByReason['owner-died'] ?? 0;
    const halfClosed = this.sum((one) => one.outputsHalfClosed);
    const reading = `${this.sum((one) => one.outputsOpen) - halfClosed} of ${this.sum((one) => one.outputsConnected)}`;
    const more = halfClosed === 0 ? '' : `, ${halfClosed} more half-closed`;
    const slow = outputs.evicted === 0 ? '' : `, ${outputs.evicted} dropped as too slow`;
    return `rejected ${bad} · dropped ${dropped} · outputs ${reading}${more}${slow}, `
      + `${outputs.resultsUnsent} results unsent`;
  }

  private rate(name: string, results: number, seconds: number): number {
    const rate = (results - (this.results.get(name) ?? 0)) / seconds;
    this.results.set(name, results);
    return rate;
  }

  private sum(figure: (counters: JobCounters) => number): number {
    return this.counters.reduce((total, one) => total + figure(one), 0);
  }
}

const LATENCY = 'Latency is from reading a line to its result: lines of a flood wait behind each other, and an urgent '
  + 'line passes them all.';

/** What several growing histograms have recorded since the last call. */
class Recent {
  private before = new Histogram(new Uint32Array(HISTOGRAM_WORDS));

  take(histograms: readonly Histogram[]): Histogram {
    const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    for (const histogram of histograms) all.add(histogram);
    const recent = all.since(this.before);
    this.before = all;
    return recent;
  }
}
