/** The figures of the whole job, as --json prints them at its end. */
import { HISTOGRAM_WORDS, Histogram, type BalancerStatus, type RuntimeStatus } from 'percore';
import { outstanding, type JobCounters } from './counters.js';
import { REJECT_REASONS } from './line-rules.js';

const BANDS = [0, 1, 2, 3, 4, 5, 6, 7];
const us = (ns: number): number => Math.round(ns / 10) / 100;

/** Latency is from reading a line to its result, over the whole run. */
export interface BandReport {
  results: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
}

export interface JobReport {
  linesIn: number;
  results: number;
  rejected: Record<string, number>;
  dropped: number;
  droppedByReason: Record<string, number>;
  bytesIn: number;
  bands: Record<string, BandReport>;
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
  /** With --rebalance. */
  buckets?: { moved: number; pauseMaxMs: number };
  elapsedMs: number;
}

/** `linesIn = results + rejected + dropped`, each counted where it happens, once everything has been drained. */
export function jobReport(
  counters: readonly JobCounters[], status: RuntimeStatus, elapsedMs: number, balanced?: BalancerStatus,
): JobReport {
  const sum = (figure: (counters: JobCounters) => number): number =>
    counters.reduce((total, one) => total + figure(one), 0);
  const droppedByReason: Record<string, number> = {};
  const drop = (reason: string, lines: number): void => {
    if (lines !== 0) droppedByReason[reason] = (droppedByReason[reason] ?? 0) + lines;
  };
  const isDead = (id: number): boolean => status.reactors[id]!.state === 'dead';
  // Owners are closed as well when the time is over, while a reader waits for room there.
  const hasAnyDied = status.reactors.some(({ id }) => isDead(id));
  drop(hasAnyDied ? 'owner-died' : 'stopped', sum((one) => one.ownerDied));
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
    bands: Object.fromEntries(BANDS.map((band) => [band, bandReport(counters, band)] as const).filter(
      ([, { results }]) => results !== 0,
    )),
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
    ...(balanced === undefined ? {} : { buckets: { moved: balanced.moved, pauseMaxMs: balanced.pauseMs.max } }),
    elapsedMs: Math.round(elapsedMs),
  };
}

function bandReport(counters: readonly JobCounters[], band: number): BandReport {
  const all = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
  for (const one of counters) all.add(one.latency(band));
  return {
    results: counters.reduce((sum, one) => sum + one.results(band), 0),
    p50Us: us(all.percentile(0.5)), p99Us: us(all.percentile(0.99)), maxUs: us(all.max()),
  };
}
