/** The figures as the program shows them: the object of --json, and the table a terminal gets each second. */
import { HISTOGRAM_WORDS, Histogram, type RuntimeStatus } from 'percore';
import { depth, outstanding, type JobCounters } from './counters.js';
import { REJECT_REASONS } from './line-splitter.js';

const BANDS = [7, 6, 5, 4, 3, 2, 1, 0];
const us = (ns: number): number => Math.round(ns / 10) / 100;

export interface JobReport {
  linesIn: number;
  results: number;
  rejected: Record<string, number>;
  dropped: number;
  droppedByReason: Record<string, number>;
  bytesIn: number;
  bands: Record<string, { results: number; p50Us: number; p99Us: number; maxUs: number }>;
  outputs: { connected: number; evicted: number; resultsUnsent: number };
  reactors: {
    id: number;
    cpuAsked: number | undefined;
    cpuGranted: readonly number[];
    refusals: readonly string[];
    state: string;
    linesIn: number;
    results: number;
    busyShare: number;
    turns: number;
    parks: number;
  }[];
  elapsedMs: number;
}

/** `linesIn = results + rejected + dropped`, each counted where it happens, once everything has been drained. */
export function jobReport(counters: readonly JobCounters[], status: RuntimeStatus, elapsedMs: number): JobReport {
  const sum = (figure: (counters: JobCounters) => number): number =>
    counters.reduce((total, one) => total + figure(one), 0);
  const droppedByReason: Record<string, number> = {};
  const drop = (reason: string, lines: number): void => {
    if (lines !== 0) droppedByReason[reason] = (droppedByReason[reason] ?? 0) + lines;
  };
  drop('owner-died', sum((one) => one.ownerDied));
  const isDead = (id: number): boolean => status.reactors[id]!.state === 'dead';
  for (const reader of counters.keys()) {
    for (const owner of counters.keys()) {
      drop(isDead(reader) || isDead(owner) ? 'owner-died' : 'stopped', outstanding(counters, reader, owner));
    }
  }
  return {
    linesIn: sum((one) => one.linesIn),
    results: sum((one) => one.results()),
    rejected: Object.fromEntries(
      REJECT_REASONS.map((reason) => [reason, sum((one) => one.rejected(reason))] as const).filter(
        ([, count]) => count !== 0,
      ),
    ),
    dropped: Object.values(droppedByReason).reduce((total, lines) => total + lines, 0),
    droppedByReason,
    bytesIn: sum((one) => one.bytesIn),
    bands: Object.fromEntries(
      BANDS.toReversed().flatMap((band) => {
        const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
        for (const one of counters) all.add(one.latency(band));
        const results = sum((one) => one.results(band));
        return results === 0
          ? []
          : [
              [
                String(band),
                { results, p50Us: us(all.percentile(0.5)), p99Us: us(all.percentile(0.99)), maxUs: us(all.max()) },
              ],
            ];
      }),
    ),
    outputs: {
      connected: sum((one) => one.outputsConnected),
      evicted: sum((one) => one.outputsEvicted),
      resultsUnsent: sum((one) => one.resultsUnsent),
    },
    reactors: status.reactors.map(({ id, cpuAsked, cpuGranted, refusals, state, busyNs, turns, parks }) => ({
      id,
      cpuAsked,
      cpuGranted,
      refusals,
      state,
      linesIn: counters[id]!.linesIn,
      results: counters[id]!.results(),
      busyShare: Math.round(busyNs / elapsedMs / 1e4) / 100,
      turns,
      parks,
    })),
    elapsedMs: Math.round(elapsedMs),
  };
}

/** Draws the table again at each call; lines/s and busy share are since the call before. */
export class LiveTable {
  private readonly results = new Map<string, number>();
  private readonly busyNs = new Map<number, number>();
  private lastMs = performance.now();

  constructor(private readonly counters: readonly JobCounters[]) {}

  draw(status: RuntimeStatus): string {
    const nowMs = performance.now();
    const seconds = (nowMs - this.lastMs) / 1000;
    this.lastMs = nowMs;
    const rows = ['reactor band      lines/s      depth    p50 µs    p99 µs    max µs   busy'];
    for (const { id, busyNs, state } of status.reactors) {
      const busy = (busyNs - (this.busyNs.get(id) ?? 0)) / seconds / 1e9;
      this.busyNs.set(id, busyNs);
      const own = this.counters[id]!;
      if (own.results() === 0) {
        rows.push(`${String(id).padStart(7)}    -${`${(busy * 100).toFixed(0)} %`.padStart(61)}`);
      }
      for (const band of BANDS) {
        const results = own.results(band);
        if (results === 0) continue;
        const rate = (results - (this.results.get(`${id}/${band}`) ?? 0)) / seconds;
        this.results.set(`${id}/${band}`, results);
        const latency = own.latency(band);
        rows.push(
          [
            String(id).padStart(7),
            String(band).padStart(4),
            rate.toFixed(0).padStart(12),
            String(depth(this.counters, id, band)).padStart(10),
            ...[latency.percentile(0.5), latency.percentile(0.99), latency.max()].map((ns) =>
              us(ns).toFixed(1).padStart(9),
            ),
            `${(busy * 100).toFixed(0)} %`.padStart(6),
          ].join(' '),
        );
      }
      if (state !== 'ready') rows.push(`${String(id).padStart(7)} ${state}`);
    }
    // What is outstanding while both ends live is on its way, not lost.
    const { rejected, droppedByReason, outputs } = jobReport(this.counters, status, nowMs);
    rows.push(
      `rejected ${
        Object.entries(rejected)
          .map(([reason, count]) => `${reason} ${count}`)
          .join(', ') || '0'
      } · dropped ${droppedByReason['owner-died'] ?? 0} · ${this.outputs()}, ${outputs.resultsUnsent} results unsent`,
    );
    rows.push(
      'Latency is from read to result. A flood waits behind itself, as long as the lanes are full of it; urgent bands pass it.',
    );
    return rows.join('\n');
  }

  private outputs(): string {
    const sum = (figure: (counters: JobCounters) => number): number =>
      this.counters.reduce((total, one) => total + figure(one), 0);
    const halfClosed = sum((one) => one.outputsHalfClosed);
    const reading = `outputs ${sum((one) => one.outputsOpen) - halfClosed} of ${sum((one) => one.outputsConnected)}`;
    return halfClosed === 0 ? reading : `${reading}, ${halfClosed} more half-closed`;
  }
}
