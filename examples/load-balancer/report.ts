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
  reactors: { id: number; cpuAsked: number | undefined; cpuGranted: readonly number[]; refusals: readonly string[]; state: string; linesIn: number; results: number; busyShare: number; turns: number; parks: number }[];
  elapsedMs: number;
}

/** `linesIn = results + rejected + dropped`, each counted where it happens, once everything has been drained. */
export function jobReport(counters: readonly JobCounters[], status: RuntimeStatus, elapsedMs: number): JobReport {
  const sum = (figure: (counters: JobCounters) => number): number => counters.reduce((total, one) => total + figure(one), 0);
  const ownerDied = sum((one) => one.ownerDied) + counters.reduce((total, _, owner) => total + outstanding(counters, owner), 0);
  return {
    linesIn: sum((one) => one.linesIn),
    results: sum((one) => one.results()),
    rejected: Object.fromEntries(REJECT_REASONS.map((reason) => [reason, sum((one) => one.rejected(reason))] as const).filter(([, count]) => count !== 0)),
    dropped: ownerDied,
    droppedByReason: ownerDied === 0 ? {} : { 'owner-died': ownerDied },
    bytesIn: sum((one) => one.bytesIn),
    bands: Object.fromEntries(BANDS.toReversed().flatMap((band) => {
      const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
      for (const one of counters) all.add(one.latency(band));
      const results = sum((one) => one.results(band));
      return results === 0 ? [] : [[String(band), { results, p50Us: us(all.percentile(0.5)), p99Us: us(all.percentile(0.99)), maxUs: us(all.max()) }]];
    })),
    outputs: { connected: sum((one) => one.outputsConnected), evicted: sum((one) => one.outputsEvicted), resultsUnsent: sum((one) => one.resultsUnsent) },
    reactors: status.reactors.map(({ id, cpuAsked, cpuGranted, refusals, state, busyNs, turns, parks }) => ({
      id, cpuAsked, cpuGranted, refusals, state, linesIn: counters[id]!.linesIn, results: counters[id]!.results(), busyShare: Math.round(busyNs / elapsedMs / 1e4) / 100, turns, parks,
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
      if (own.results() === 0) rows.push(`${String(id).padStart(7)}    -${`${(busy * 100).toFixed(0)} %`.padStart(61)}`);
      for (const band of BANDS) {
        const results = own.results(band);
        if (results === 0) continue;
        const rate = (results - (this.results.get(`${id}/${band}`) ?? 0)) / seconds;
        this.results.set(`${id}/${band}`, results);
        const latency = own.latency(band);
        rows.push([String(id).padStart(7), String(band).padStart(4), rate.toFixed(0).padStart(12), String(depth(this.counters, id, band)).padStart(10),
          ...[latency.percentile(0.5), latency.percentile(0.99), latency.max()].map((ns) => us(ns).toFixed(1).padStart(9)), `${(busy * 100).toFixed(0)} %`.padStart(6)].join(' '));
      }
      if (state !== 'ready') rows.push(`${String(id).padStart(7)} ${state}`);
    }
    const { rejected, dropped, outputs } = jobReport(this.counters, status, nowMs);
    rows.push(`rejected ${Object.entries(rejected).map(([reason, count]) => `${reason} ${count}`).join(', ') || '0'} · dropped ${this.settledDrops(status, dropped)} · outputs ${outputs.connected - outputs.evicted} of ${outputs.connected}, unsent ${outputs.resultsUnsent}`);
    return rows.join('\n');
  }

  /** While all live, what is outstanding is on its way, not lost. */
  private settledDrops(status: RuntimeStatus, dropped: number): number {
    return status.reactors.some(({ state }) => state === 'dead') ? dropped : 0;
  }
}
