/**
 * The main job and its baselines as programs of their own, which the C client loads, for the rows
 * `load-balancer-throughput` and `urgent-latency`. For all contenders, program and client share the same two CPUs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { rootUrl } from '../../context.js';
import { check, CheckFailed, sleep } from '../../harness.js';
import { baselineProgram, collect, parseLast, runProgram } from '../../programs.js';

export const LINE_BYTES = 64;
export const CONNECTIONS = 4;
const KEYS = 1000;
const START_MS = 20_000;
const STOP_MS = 30_000;

/** The ports on which a program listens. */
export interface Ports {
  readonly input: string;
  readonly output: string;
}

export interface Program {
  readonly name: string;
  readonly script: URL;
  /** True if it prints a JSON object at its end, whose counts must add up. */
  readonly hasReport: boolean;
  /** Options in addition to those of all contenders. */
  readonly options?: readonly string[];
}

const baseline = (name: string, file: string): Program => ({
  name,
  script: new URL(`../../baselines/load-balancer/${file}.js`, import.meta.url),
  hasReport: false,
});

export const percore: Program = {
  name: 'percore',
  script: new URL('dist/examples/load-balancer/main.js', rootUrl),
  hasReport: true,
};
export const singleThread = baseline('single thread', 'single-thread');
export const postMessageLine = baseline('postMessage a line', 'post-message-line');
export const postMessageChunk = baseline('postMessage a chunk', 'post-message-chunk');

/**
 * Starts the program on the two CPUs, lets `use` load it, ends it by SIGTERM, and checks its exit code and its own
 * counts, which `onReport` gets.
 */
export async function withProgram<T>(
  program: Program, use: (ports: Ports) => Promise<T>, onReport: (report: Record<string, unknown>) => void = () => {},
): Promise<T> {
  const { hasReport, options = [] } = program;
  const args = ['--port', '0', '--output-port', '0', ...(hasReport ? ['--json'] : []), ...options];
  const child = spawn(
    'taskset', ['-c', twoCpus().join(','), process.execPath, fileURLToPath(program.script), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const text = collect(child);
  const ended = once(child, 'close');
  try {
    const ports = await waitForPorts(text, program, () => child.exitCode ?? child.signalCode ?? undefined);
    const result = await use(ports);
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const [code, signal] = await ended;
    clearTimeout(timer);
    check(code === 0, `${program.name} ended with ${signal ?? `exit code ${code}`}: ${text.stderr.trim()}`);
    if (program.hasReport) {
      const report = parseLast(text.stdout, program.name);
      checkReport(report, program.name);
      onReport(report);
    }
    return result;
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
  }
}

/**
 * Sends lines as fast as the program takes them. Returns lines a second, from the first byte sent to the last result
 * read. All results are checked.
 */
export async function throughput({ input, output }: Ports, lines: number, band: string): Promise<number> {
  const result = await loadClient('throughput', [
    '--input', input, '--output', output, '--connections', CONNECTIONS, '--lines', Math.ceil(lines / CONNECTIONS),
    '--band', band,
  ]);
  return result['linesPerSecond'] as number;
}

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
  /** How late the client itself sent. */
  readonly urgentSendLateP99Us: number;
  /** Lines of the flood that were due, and those of them that the program took: fewer, if it is overloaded. */
  readonly floodOffered: number;
  readonly floodSent: number;
  readonly fifoGranted: boolean;
}

/** A priority above that of every thread of the contenders and below those of the kernel. */
const FIFO_PRIORITY = 10;

/** Sends urgent lines and a flood, both at fixed rates. Each urgent line is timed from when it was due. */
export async function latency(
  { input, output }: Ports,
  load: {
    floodRate: number;
    floodBand: number;
    urgentRate: number;
    urgentBand: number;
    seconds: number;
    warmupSeconds: number;
  },
): Promise<Latency> {
  const result = await loadClient('latency', [
    '--input', input, '--output', output, '--flood-connections', CONNECTIONS, '--flood-rate',
    Math.round(load.floodRate), '--flood-band', load.floodBand, '--urgent-rate', load.urgentRate, '--urgent-band',
    load.urgentBand, '--seconds', load.seconds, '--warmup-seconds', load.warmupSeconds, '--fifo', FIFO_PRIORITY,
  ]);
  return result as unknown as Latency;
}

async function loadClient(
  mode: 'throughput' | 'latency',
  args: readonly (string | number)[],
): Promise<Record<string, unknown>> {
  const client = await baselineProgram('load_client');
  const result = await runProgram(client, [
    mode, ...args, '--line-bytes', LINE_BYTES, '--keys', KEYS, '--cpus', twoCpus().join(','),
  ]);
  check(result['verified'] === true, `the load client says that results were wrong: ${JSON.stringify(result)}`);
  return result;
}

async function waitForPorts(
  text: { stdout: string; stderr: string },
  program: Program,
  endOf: () => number | string | undefined,
): Promise<Ports> {
  const deadlineMs = performance.now() + START_MS;
  for (;;) {
    const [, input, output] = /^listening input=127\.0\.0\.1:(\d+) output=127\.0\.0\.1:(\d+)$/m.exec(text.stdout) ?? [];
    if (input !== undefined && output !== undefined) return { input, output };
    const end = endOf();
    if (end !== undefined || performance.now() > deadlineMs) {
      const what = end === undefined ? `has not said within ${START_MS / 1000} s` : `ended with ${end} before it said`;
      throw new CheckFailed(
        `${program.name} ${what} where it listens: ${text.stderr.trim() || text.stdout.trim()}`,
      );
    }
    await sleep(10);
  }
}

/**
 * Nothing that was accepted may be lost. Every line has a result, or is rejected or dropped; here none may be either.
 */
function checkReport(report: Record<string, unknown>, name: string): void {
  const { linesIn, results, rejected, dropped } = report as {
    linesIn: number;
    results: number;
    rejected: Record<string, number>;
    dropped: number;
  };
  const rejections = Object.values(rejected).reduce((sum, count) => sum + count, 0);
  check(
    linesIn === results + rejections + dropped,
    `${name}: ${linesIn} lines in, but ${results} results, ${rejections} rejected and ${dropped} dropped`,
  );
  check(dropped === 0, `${name} dropped ${dropped} lines`);
}
