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
 * This file starts it, watches it, and ends it in order: stop reading, work what was read, hand out what was worked, report.
 */
import { stat } from 'node:fs/promises';
import { PercoreError, cpuBudget, createRuntime, type Runtime } from 'percore';
import { JobCounters } from './counters.js';
import { UsageError, parseOptions, usage, type Options } from './options.js';
import type { JobData, JobServices, Ports } from './reactor.js';
import { LiveTable, jobReport } from './report.js';

/** Outputs that still read get so long at the end. */
const FINISH_OUTPUTS_MS = 5000;
/** What is left in the lanes then, of a reactor that died, is worked in so long. */
const CLOSE_MS = 5000;
const LOOK_MS = 2;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.isHelp) {
    process.stdout.write(usage);
    return 0;
  }
  await checkFile(options);
  const startedMs = performance.now();
  // Sized before the runtime says how many reactors 'auto' makes: a block that is not used costs no memory.
  const counterMemory = JobCounters.allocate(typeof options.reactors === 'number' ? options.reactors : cpuBudget().count);
  const data: JobData = {
    counters: counterMemory, host: options.host, outputBacklogBytes: options.outputBacklogBytes, workUs: options.workUs,
    isRaw: options.isRaw, keyField: options.keyField, urgent: options.urgent, dies: options.die?.reactor ?? -1, dieAfter: options.die?.afterLines ?? Infinity,
  };
  const runtime = await createRuntime<JobServices>({ entry: new URL('./reactor.js', import.meta.url), reactors: options.reactors, idle: { strategy: options.idle }, data });
  const counters = Array.from({ length: runtime.reactors }, (_, id) => new JobCounters(counterMemory, runtime.reactors, id));
  const living = new Set(counters.keys());
  runtime.on('reactorDied', ({ reactorId, error }) => {
    living.delete(reactorId);
    process.stderr.write(`reactor ${reactorId} died${error === undefined ? '' : `: ${error.message}`}; its lines are dropped, the others go on\n`);
  });
  runtime.on('stepError', ({ reactorId, error }) => process.stderr.write(`reactor ${reactorId}: ${error.stack ?? error.message}\n`));

  try {
    const asked = stopAsked();
    const reading = options.file ?? (options.isStdin ? '' : undefined);
    const ports = await listen(runtime, options, reading !== undefined);
    announce(options, ports);
    const table = options.isJson || !process.stderr.isTTY ? undefined : drawTable(runtime, counters);
    await (reading === undefined ? asked : Promise.race([asked, runtime.call('read', reading, { reactor: 0 }).catch(unlessDied)]));
    await drain(runtime, counters, living);
    clearInterval(table);
    const status = runtime.status();
    const elapsedMs = performance.now() - startedMs;
    const isWhole = living.size === runtime.reactors;
    // Figures that nobody changes any more: what a dead reactor had sent may be worked until the end.
    await runtime.close({ drainMs: CLOSE_MS });
    const report = jobReport(counters, status, elapsedMs);
    if (options.isJson) process.stdout.write(`${JSON.stringify(report)}\n`);
    else process.stderr.write(`${report.linesIn} lines in, ${report.results} results, ${Object.values(report.rejected).reduce((a, b) => a + b, 0)} rejected, ${report.dropped} dropped in ${report.elapsedMs} ms\n`);
    return isWhole ? 0 : 1;
  } finally {
    await runtime.close({ drainMs: 0 });
  }
}

/** Resolves at the first SIGINT or SIGTERM; later ones change nothing. */
function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
}

async function checkFile({ file }: Options): Promise<void> {
  if (file === undefined) return;
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--file ${JSON.stringify(file)}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  if (found.isDirectory()) throw new UsageError(`--file ${JSON.stringify(file)} is a directory, allowed is a file`);
}

/** The first reactor chooses ports, the others share them. */
async function listen(runtime: Runtime<JobServices>, options: Options, readsFile: boolean): Promise<Ports> {
  const ports = await runtime.call('listen', { input: readsFile ? undefined : options.port, output: options.outputPort }, { reactor: 0 });
  for (let id = 1; id < runtime.reactors; id++) await runtime.call('listen', ports, { reactor: id });
  return ports;
}

function announce(options: Options, { input, output }: Ports): void {
  const { host } = options;
  const source = input === undefined ? (options.file ?? 'stdin') : `${host}:${input}`;
  process.stdout.write(`listening input=${source} output=${host}:${output}\n`);
  if (options.isJson) return;
  const lines = [`read results:  bash -c 'cat < /dev/tcp/${host}/${output}'`];
  if (input !== undefined) lines.unshift(`feed lines:    seq 1000 | sed 's/.*/6 key& hello &/' | bash -c 'cat > /dev/tcp/${host}/${input}'`);
  process.stderr.write(`In another terminal:\n  ${lines.join('\n  ')}\n`);
}

function drawTable(runtime: Runtime<JobServices>, counters: readonly JobCounters[]): NodeJS.Timeout {
  const table = new LiveTable(counters);
  let rows = 0;
  return setInterval(() => {
    const text = table.draw(runtime.status());
    // Over the table before, not over what stands above it.
    process.stderr.write(`${rows === 0 ? '' : `\x1b[${rows}A\x1b[J`}${text}\n`);
    rows = text.split('\n').length;
  }, 1000);
}

/** Stops reading, waits until every line has been worked by an owner that lives, then until the outputs have what they were sent. */
async function drain(runtime: Runtime<JobServices>, counters: readonly JobCounters[], living: ReadonlySet<number>): Promise<void> {
  await Promise.all([...living].map((id) => runtime.call('stopInput', null, { reactor: id }).catch(unlessDied)));
  const isWorked = (): boolean => [...living].every((owner) => [...living].every((reader) => isSettled(counters, reader, owner)));
  const isHandedOut = (): boolean => living.size < counters.length || counters.reduce((sum, one) => sum + one.resultRecordsSent - one.resultRecordsTaken, 0) === 0;
  while (!isWorked() || !isHandedOut()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  // What is on its way from a reactor that died cannot be counted: it has arrived when for a while nothing more is worked.
  const worked = (): number => counters.reduce((sum, one) => sum + one.results(), 0);
  for (let before = -1; living.size < counters.length && before !== worked();) {
    before = worked();
    await new Promise((resolve) => setTimeout(resolve, 50 * LOOK_MS));
  }
  await Promise.all([...living].map((id) => runtime.call('finishOutputs', FINISH_OUTPUTS_MS, { reactor: id }).catch(unlessDied)));
}

function isSettled(counters: readonly JobCounters[], reader: number, owner: number): boolean {
  for (let band = 0; band < 8; band++) if (counters[reader]!.sent(owner, band) !== counters[owner]!.worked(reader, band)) return false;
  return true;
}

/** A reactor that died has nothing to stop. */
function unlessDied(error: PercoreError): void {
  if (error.code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const isUsage = error instanceof UsageError || (error instanceof PercoreError && error.code === 'ERR_PERCORE_ADDRESS_IN_USE');
    process.stderr.write(`${isUsage ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`);
    process.exitCode = isUsage ? 2 : 1;
  },
);
