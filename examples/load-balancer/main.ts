/**
 * The main job: priority streams, balanced over the reactors by key.
 *
 *     INPUT (TCP lines, a file, stdin)
 *       | cut into lines, key -> bucket -> owner             input.ts, in the reactor that has the connection
 *       +--- lane to the owner, one a band --->              line-record.ts
 *                 work: CRC-32, figures of the key           worker.ts, high bands first
 *       <--- lane to the reactors with outputs, one a band --+
 *     OUTPUT (TCP, any number of readers)                    outputs.ts
 *
 * This file starts it, watches it, and ends it in order: stop reading, work what was read, hand out what was worked,
 * report.
 */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { PercoreError, cpuBudget, createRuntime, type Runtime } from 'percore';
import { JobCounters } from './counters.js';
import { UsageError, parseOptions, usage, type Options } from './options.js';
import type { JobData, JobServices, Ports } from './reactor.js';
import { LiveTable, jobReport, type JobReport } from './report.js';
import { StopSignals } from './stop-signals.js';

/** Outputs that still read get so long at the end. */
const FINISH_OUTPUTS_MS = 5000;
/** What is left in the lanes then, of a reactor that died, is worked in so long. */
const CLOSE_MS = 5000;
const LOOK_MS = 2;

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
  const counterMemory = JobCounters.allocate(
    typeof options.reactors === 'number' ? options.reactors : cpuBudget().count,
  );
  const data: JobData = {
    counters: counterMemory,
    host: options.host,
    outputBacklogBytes: options.outputBacklogBytes,
    workUs: options.workUs,
    isRaw: options.isRaw,
    keyField: options.keyField,
    urgent: options.urgent,
    dies: options.die?.reactor ?? -1,
    dieAfter: options.die?.afterLines ?? Infinity,
  };
  const runtime = await createRuntime<JobServices>({
    entry: new URL('./reactor.js', import.meta.url),
    reactors: options.reactors,
    idle: { strategy: options.idle },
    data,
  });
  const counters = Array.from(
    { length: runtime.reactors },
    (_, id) => new JobCounters(counterMemory, runtime.reactors, id),
  );
  const living = new Set(counters.keys());
  runtime.on('reactorDied', ({ reactorId, error }) => {
    living.delete(reactorId);
    void print(
      process.stderr,
      `reactor ${reactorId} died${error === undefined ? '' : `: ${error.message}`}; its lines are dropped, the others go on\n`,
    );
  });
  runtime.on(
    'stepError',
    ({ reactorId, error }) => void print(process.stderr, `reactor ${reactorId}: ${error.stack ?? error.message}\n`),
  );

  try {
    const reading = options.file ?? (options.isStdin ? '' : undefined);
    const ports = await listen(runtime, options, reading !== undefined);
    await announce(options, ports);
    const table = options.isJson || !process.stderr.isTTY ? undefined : drawTable(runtime, counters);
    const readError = await (reading === undefined
      ? signals.asked
      : Promise.race([signals.asked, read(runtime, reading)]));
    await drain(runtime, counters, living, signals);
    clearInterval(table);
    const status = runtime.status();
    const elapsedMs = performance.now() - startedMs;
    // Figures that nobody changes any more: what a dead reactor had sent may be worked until the end.
    await runtime.close({ drainMs: signals.isTimeOver ? 0 : CLOSE_MS });
    const report = jobReport(counters, status, elapsedMs);
    const isReported = await tell(report, options.isJson);
    return isReported && readError === undefined && report.dropped === 0 && living.size === runtime.reactors ? 0 : 1;
  } finally {
    await runtime.close({ drainMs: 0 });
  }
}

/** Reads to the end. What stops it before is told, and what was read by then is worked like all else. */
async function read(runtime: Runtime<JobServices>, path: string): Promise<Error | void> {
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

/** False when the report that was asked for could not be given to whoever asked. */
async function tell(report: JobReport, isJson: boolean): Promise<boolean> {
  if (!isJson) {
    const { linesIn, results, rejected, dropped, elapsedMs } = report;
    await print(
      process.stderr,
      `${linesIn} lines in, ${results} results, ${Object.values(rejected).reduce((a, b) => a + b, 0)} rejected, ${dropped} dropped in ${elapsedMs} ms\n`,
    );
    return true;
  }
  const text = JSON.stringify(report);
  if (await print(process.stdout, `${text}\n`)) return true;
  await print(process.stderr, `standard output cannot be written to any more, so the report is here: ${text}\n`);
  return false;
}

/**
 * Writes to standard output or error. False when nobody reads it any more, or its disk is full: the job goes on
 * without.
 */
function print(stream: NodeJS.WriteStream, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      stream.write(text, (error) => resolve(error === undefined || error === null));
    } catch {
      // A file is written at once, and throws.
      resolve(false);
    }
  });
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

/** The first reactor chooses ports, the others share them. */
async function listen(runtime: Runtime<JobServices>, options: Options, readsFile: boolean): Promise<Ports> {
  const ports = await runtime.call(
    'listen', { input: readsFile ? undefined : options.port, output: options.outputPort }, { reactor: 0 },
  );
  for (let id = 1; id < runtime.reactors; id++) await runtime.call('listen', ports, { reactor: id });
  return ports;
}

async function announce(options: Options, { input, output }: Ports): Promise<void> {
  const { host } = options;
  const source = input === undefined ? (options.file ?? 'stdin') : `${host}:${input}`;
  await print(process.stdout, `listening input=${source} output=${host}:${output}\n`);
  if (options.isJson) return;
  const to = (port: number): string => `bash -c 'cat > /dev/tcp/${host}/${port}'`;
  const lines = [`read results:  bash -c 'cat < /dev/tcp/${host}/${output}'`];
  if (input !== undefined) {
    lines.push(`a flood:       awk 'BEGIN { for (;;) print 1, "key" n++ % 100, "hello" }' | ${to(input)}`);
    lines.push(`urgent lines:  while sleep 0.1; do echo 6 alarm now; done | ${to(input)}`);
  }
  await print(process.stderr, `In other terminals, side by side:\n  ${lines.join('\n  ')}\n`);
}

function drawTable(runtime: Runtime<JobServices>, counters: readonly JobCounters[]): NodeJS.Timeout {
  const table = new LiveTable(counters);
  let rows = 0;
  return setInterval(() => {
    const text = table.draw(runtime.status());
    // Over the table before, not over what stands above it.
    void print(process.stderr, `${rows === 0 ? '' : `\x1b[${rows}A\x1b[J`}${text}\n`);
    rows = text.split('\n').length;
  }, 1000);
}

/**
 * Stops reading, waits until every line has been worked by an owner that lives, then until the outputs have what they
 * were sent. After a signal all of it only as long as there is time: a reactor that works on one line for a minute
 * answers no call before.
 */
async function drain(
  runtime: Runtime<JobServices>,
  counters: readonly JobCounters[],
  living: ReadonlySet<number>,
  signals: StopSignals,
): Promise<void> {
  const ofEach = (ask: (id: number) => Promise<void>): Promise<unknown> =>
    Promise.race([signals.timeOver, Promise.all([...living].map((id) => ask(id).catch(unlessDied)))]);
  const pause = (ms: number): Promise<unknown> =>
    Promise.race([signals.timeOver, new Promise((resolve) => setTimeout(resolve, ms))]);
  await ofEach((id) => runtime.call('stopInput', null, { reactor: id }));
  const isWorked = (): boolean =>
    [...living].every((owner) => [...living].every((reader) => isSettled(counters, reader, owner)));
  const isHandedOut = (): boolean =>
    living.size < counters.length ||
    counters.reduce((sum, one) => sum + one.resultRecordsSent - one.resultRecordsTaken, 0) === 0;
  while (!signals.isTimeOver && (!isWorked() || !isHandedOut())) await pause(LOOK_MS);
  // What is on its way from a reactor that died cannot be counted: it has arrived when for a while nothing more is
  // worked.
  const worked = (): number => counters.reduce((sum, one) => sum + one.results(), 0);
  for (let before = -1; !signals.isTimeOver && living.size < counters.length && before !== worked();) {
    before = worked();
    await pause(50 * LOOK_MS);
  }
  await ofEach((id) => runtime.call('finishOutputs', FINISH_OUTPUTS_MS, { reactor: id }));
}

function isSettled(counters: readonly JobCounters[], reader: number, owner: number): boolean {
  for (let band = 0; band < 8; band++) {
    if (counters[reader]!.sent(owner, band) !== counters[owner]!.worked(reader, band)) return false;
  }
  return true;
}

/** A reactor that died has nothing to stop. */
function unlessDied(error: PercoreError): void {
  if (error.code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
}

// Whoever reads what is printed may go at any time: `print` says so where it matters, and no error is left without a
// handler.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
main().then(
  (code) => {
    process.exitCode = code;
  },
  async (error: unknown) => {
    const isUsage =
      error instanceof UsageError || (error instanceof PercoreError && error.code === 'ERR_PERCORE_ADDRESS_IN_USE');
    process.exitCode = isUsage ? 2 : 1;
    await print(process.stderr, `${isUsage ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
  },
);
