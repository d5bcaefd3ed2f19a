/**
 * The main job: priority streams, balanced over the reactors by key.
 *
 *     INPUT (TCP lines, a file, stdin, a stream of a broker)
 *       | cut into lines, key -> bucket -> owner             input.ts, in the reactor that has the connection
 *       +--- lane to the owner, one a band --->              line-record.ts
 *                 work: CRC-32, figures of the key           worker.ts, high bands first
 *       <--- lane to the reactors with outputs, one a band --+
 *     OUTPUT (TCP, any number of readers; a broker)          outputs.ts
 *
 * This file starts it, watches it, and ends it in order: stop reading, work what was read, hand out what was worked,
 * report.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import {
  PercoreError, capabilities, cpuBudget, createBalancer, createLoads, createRuntime, publishCounters, setSlo,
  type Runtime,
} from 'percore';
import { workSteps } from './arithmetic.js';
import { JobCounters } from './counters.js';
import { startDemo } from './demo.js';
import { drain } from './ending.js';
import { UsageError, parseOptions, usage, type Options } from './options.js';
import type { JobData, JobServices, Ports } from './reactor.js';
import { jobReport } from './report.js';
import { StopSignals } from './stop-signals.js';
import { announce, drawTable, print, tell } from './terminal.js';

/** How long the lanes may take to run empty, where a reactor has died. */
const CLOSE_MS = 5000;
/** How often --rebalance looks how busy each reactor is. */
const REBALANCE_MS = 50;
/** With --observe bounds: a second, which no line takes, so that what it costs to be watched is seen alone. */
const BOUND_NS = 1e9;

/** What the command line asks for is not there. */
const USAGE = ['ERR_PERCORE_ADDRESS_IN_USE', 'ERR_PERCORE_BROKER_UNAVAILABLE', 'ERR_PERCORE_BROKER_REFUSED'];

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  // Before anything else is done, so that a signal ends it in order at any moment.
  const signals = new StopSignals(options.drainMs);
  if (options.isHelp) {
    await print(process.stdout, usage);
    return 0;
  }
  await checkFile(options);
  const startedMs = performance.now();
  // Sized before the runtime says how many reactors 'auto' makes: a block that is not used costs no memory.
  const most = typeof options.reactors === 'number' ? options.reactors : cpuBudget().count;
  const counterMemory = JobCounters.allocate(most);
  const data: JobData = {
    counters: counterMemory,
    loads: createLoads(most),
    host: options.host,
    outputBacklogBytes: options.outputBacklogBytes,
    workSteps: workSteps(options.workUs),
    isRaw: options.isRaw,
    keyField: options.keyField,
    urgent: options.urgent,
    dies: options.die?.reactor ?? -1,
    dieAfter: options.die?.afterLines ?? Infinity,
    isRebalanced: options.isRebalanced,
  };
  const runtime = await createRuntime<{ calls: JobServices }>({
    entry: new URL('./reactor.js', import.meta.url),
    reactors: options.reactors,
    idle: { strategy: options.idle },
    discipline: options.discipline,
    metrics: options.observe === 'figures' || options.observe === 'bounds',
    data,
  });
  if (options.observe !== undefined) publishCounters(runtime);
  if (options.observe === 'bounds') {
    for (let priority = 0; priority < 8; priority++) setSlo(runtime, { priority }, { responseNs: BOUND_NS });
  }
  const counters = Array.from(
    { length: runtime.reactors },
    (_, id) => new JobCounters(counterMemory, runtime.reactors, id),
  );
  const balancer = options.isRebalanced ? createBalancer(runtime, { everyMs: REBALANCE_MS }) : undefined;
  const living = new Set(counters.keys());
  runtime.on('reactorDied', ({ reactorId, error }) => {
    living.delete(reactorId);
    if (options.from !== undefined) runtime.call('ownerDied', null, { reactor: 0 }).catch(() => undefined);
    const why = error === undefined ? '' : `: ${error.message}`;
    void print(process.stderr, `reactor ${reactorId} died${why}; its lines are dropped, the others go on\n`);
  });
  runtime.on(
    'stepError',
    ({ reactorId, error }) => void print(process.stderr, `reactor ${reactorId}: ${error.stack ?? error.message}\n`),
  );

  try {
    const reading = options.file ?? (options.isStdin ? '' : undefined);
    const { from, to } = options;
    const hasBroker = from !== undefined || to !== undefined;
    if (hasBroker) await runtime.call('connect', { from, to }, { reactor: 0 });
    const ports = await listen(runtime, options, reading !== undefined || from !== undefined);
    await announce(options, ports);
    const isShown = !options.isJson && (options.isDemo || process.stderr.isTTY);
    const table = isShown ? drawTable(runtime, counters) : undefined;
    const endDemo = options.isDemo ? startDemo(options, ports) : undefined;
    const readError = await Promise.race([
      signals.asked,
      ...(reading === undefined ? [] : [read(runtime, reading)]),
      ...(hasBroker ? [brokerEnds(runtime)] : []),
    ]);
    if (endDemo !== undefined) {
      // The streams end one after the other, which would only look odd.
      clearInterval(table);
      await Promise.race([signals.timeOver, endDemo()]);
    }
    await drain(runtime, counters, living, signals);
    clearInterval(table);
    const isStored = !hasBroker || await runtime.call('isAllStored', null, { reactor: 0 }).catch(() => false);
    const status = runtime.status();
    const elapsedMs = performance.now() - startedMs;
    // The figures are final only after this: what a dead reactor had sent may be worked until the end.
    await runtime.close({ drainMs: signals.isTimeOver ? 0 : CLOSE_MS });
    const report = jobReport(counters, status, elapsedMs, balancer?.status());
    const isReported = await tell(report, options.isJson);
    const isWhole = report.dropped === 0 && isStored && living.size === runtime.reactors;
    return isReported && readError === undefined && isWhole ? 0 : 1;
  } finally {
    await runtime.close({ drainMs: 0 });
  }
}

/** Reads to the end. An error that stops it is reported, and what was read by then is worked like everything else. */
async function read(runtime: Runtime<{ calls: JobServices }>, path: string): Promise<Error | void> {
  try {
    await runtime.call('read', path, { reactor: 0 });
  } catch (error) {
    if ((error as PercoreError).code === 'ERR_PERCORE_REACTOR_DIED') return;
    await print(
      process.stderr,
      `cannot read ${path === '' ? 'standard input' : `--file ${JSON.stringify(path)}`}: ${(error as Error).message}\n`,
    );
    return error as Error;
  }
}

/** Resolves when nothing more can come from the broker, or go to it; with why, unless its reactor has died. */
async function brokerEnds(runtime: Runtime<{ calls: JobServices }>): Promise<Error | void> {
  try {
    await runtime.call('brokerEnds', null, { reactor: 0 });
  } catch (error) {
    // Its reactor has died, or the job ends.
    if (['ERR_PERCORE_REACTOR_DIED', 'ERR_PERCORE_CLOSED'].includes((error as PercoreError).code)) return;
    await print(process.stderr, `nothing more can be read or stored: ${(error as Error).message}\n`);
    return error as Error;
  }
}

async function checkFile({ file }: Options): Promise<void> {
  if (file === undefined) return;
  const refuse = (why: string): never => {
    throw new UsageError(`--file ${JSON.stringify(file)}: ${why}`);
  };
  const found = await stat(file).catch((error: NodeJS.ErrnoException) =>
    refuse(error.code === 'ENOENT' ? 'no such file' : error.message),
  );
  if (found.isDirectory()) refuse('is a directory, allowed is a file');
  if (found.isSocket()) refuse('is a socket, allowed is a file');
  await access(file, constants.R_OK).catch((error: Error) => refuse(error.message));
}

/** The first reactor chooses ports, the others share them, where ports can be shared. */
async function listen(runtime: Runtime<{ calls: JobServices }>, options: Options, readsFile: boolean): Promise<Ports> {
  const ports = await runtime.call(
    'listen', { input: readsFile ? undefined : options.port, output: options.outputPort }, { reactor: 0 },
  );
  if (capabilities().of.sharedPorts.state === 'missing') return ports;
  for (let id = 1; id < runtime.reactors; id++) await runtime.call('listen', ports, { reactor: id });
  return ports;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  async (error: unknown) => {
    const isUsage =
      error instanceof UsageError || (error instanceof PercoreError && USAGE.includes(error.code));
    process.exitCode = isUsage ? 2 : 1;
    await print(process.stderr, `${isUsage ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  },
);
