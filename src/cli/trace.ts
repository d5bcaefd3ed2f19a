/** `percore trace`: how late any thread of this machine was, and why, by the events of its scheduler. */
import { parseArgs } from 'node:util';
import { PercoreError } from '../errors.js';
import {
  FIGURES, MOST_BUFFER_KIB, threadsNamed, Tracer, type ThreadFigure, type ThreadReport,
} from '../trace/internal.js';
import { plain } from './cells.js';
import { DONE, FAILED, NO_RIGHT, UsageError } from './command.js';
import { parseTime } from './duration.js';
import { readLines } from './lines.js';
import { formatReport, formatSummary } from './trace-report.js';

export const summary = 'how late any threads of this machine were, and why';

export const usage = `
percore trace (--pid N | --tid N | --name NAME)… [--response TIME] … [--seconds N] [--json]

Follows threads by the events of the kernel's scheduler and tells, of each that ends and at the end (Ctrl-C) of all:

  schedule-in   from when it is woken until it has a CPU
  response      from when it is woken until it sleeps of its own accord
  relief        from when it is woken until it sleeps until a timer: the work of this period is done
  irq           what interrupt handlers took of it in that time; of a handler's thread: its own run

with violations of bounds, and what happened in the worst case of each. Needs root, or write access to tracefs; without
it the exit code is 3.

  --pid N              all threads of a process, those that it starts later too
  --tid N              one thread
  --name NAME          threads of this name; a * at its end stands for any letters
  --schedule-in TIME   a bound, as 50us or 2ms; also --response, --relief, --irq
  --seconds N          ends after that long
  --stay               does not end when all threads have
  --buffer KIB         memory of the kernel for each CPU's events; default: 4096
  --json               a line of JSON for each report, times in nanoseconds

While it runs it reads commands: add pid|tid|name X, remove N, bound [N] FIGURE TIME, report [N].

  sudo percore trace --name 'irq/*' --pid 4711 --response 500us
`;

/** The limit of histograms. */
const MOST_NS = 2 ** 40 - 1;
/** Of a line of input, in bytes. */
const LONGEST_LINE = 4096;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const text = { type: 'string' } as const;
const many = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      pid: many, tid: many, name: many, 'schedule-in': text, response: text, relief: text, irq: text, seconds: text,
      stay: flag, buffer: text, json: flag,
    },
  });
  const selected = (['pid', 'tid', 'name'] as const).flatMap((kind) =>
    (values[kind] ?? []).map((what) => {
      if (what.trim() === '') throw new UsageError(`--${kind} is empty`);
      return parseCommand(`add ${kind} ${what}`);
    }));
  if (selected.length === 0 && values.stay !== true) throw new UsageError('say whom: --pid, --tid or --name');
  const bounds = FIGURES.filter((figure) => values[figure] !== undefined)
    .map((figure) => parseCommand(`bound ${figure} ${values[figure]}`));
  const seconds = wholeOf('--seconds', values.seconds, 1, 1e6);
  const bufferKiB = wholeOf('--buffer', values.buffer, 8, MOST_BUFFER_KIB) ?? 4096;
  const isJson = values.json === true;
  const print = (kind: string, report: object, asText: () => string): void =>
    void process.stdout.write(isJson ? `${JSON.stringify({ kind, ...report })}\n` : asText());
  const printThread = (report: ThreadReport): void => print('thread', report, () => formatReport(report));

  let end = (): void => undefined;
  const ending = new Promise<void>((resolve) => { end = resolve; });
  return untilSignal(end, async () => {
    let tracer: Tracer;
    try {
      tracer = new Tracer({
        bufferKiB, onReport: printThread,
        onEmpty: () => { if (values.stay !== true) end(); },
      });
    } catch (error) {
      if (!(error instanceof PercoreError) || error.code !== 'ERR_PERCORE_NO_CAPABILITY') throw error;
      process.stderr.write(`percore trace: ${error.message}\n`);
      return NO_RIGHT;
    }
    const obey = (command: Command): number => {
      const found = command(tracer);
      if (typeof found === 'number') return found;
      found.forEach(printThread);
      return found.length;
    };
    try {
      bounds.forEach(obey);
      const count = selected.reduce((sum, command) => sum + obey(command), 0);
      if (count === 0 && values.stay !== true) {
        const asked = (['pid', 'tid', 'name'] as const).flatMap((kind) =>
          (values[kind] ?? []).map((what) => `--${kind} ${what}`));
        process.stderr.write(`percore trace: there is no thread of ${asked.join(' ')}\n`);
        return FAILED;
      }
      process.stderr.write(`follows ${threads(count)}\n`);
      await untilEnd(ending, seconds, obey, end);
      tracer.close();
      const summed = tracer.summary();
      print('end', summed, () => formatSummary(summed));
      return DONE;
    } finally {
      tracer.close();
    }
  });
}

/** A signal ends what `body` does, in order, from its first moment on: it could leave something behind. */
async function untilSignal<T>(end: () => void, body: () => Promise<T>): Promise<T> {
  for (const signal of SIGNALS) process.on(signal, end);
  try {
    return await body();
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

/** Follows the lines of standard input until nobody is left, the time is over or a signal comes. */
async function untilEnd(
  ending: Promise<void>, seconds: number | undefined, obey: (command: Command) => number, end: () => void,
): Promise<void> {
  const endLines = readLines(process.stdin, LONGEST_LINE, (line) => {
    if (line.trim() === '') return;
    try {
      process.stderr.write(`${line.trim()}: ${threads(obey(parseCommand(line)))}\n`);
    } catch (error) {
      process.stderr.write(`percore trace: ${(error as Error).message}\n`);
    }
  }, () => void process.stderr.write(`percore trace: a line has more than ${LONGEST_LINE} bytes\n`));
  const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
  await ending;
  clearTimeout(timer);
  endLines();
  process.stdin.destroy();
}

/** What a command does. Returns for how many threads, or their reports. */
type Command = (tracer: Tracer) => number | readonly ThreadReport[];

/** `add pid 12`, `remove 12`, `bound response 2ms`, `bound 12 irq 0`, `report`. Throws UsageError. */
export function parseCommand(line: string): Command {
  const [verb, ...words] = line.trim().split(/\s+/);
  if (verb === 'add' && words.length >= 2) {
    const [kind, ...rest] = words;
    // Names may contain spaces.
    const what = rest.join(' ');
    if (kind === 'name') return (tracer) => tracer.add(threadsNamed(what));
    const id = kind === 'pid' || kind === 'tid' ? numberOf(what) : 0;
    if (kind === 'pid') return (tracer) => tracer.addProcess(id);
    if (kind === 'tid') return (tracer) => tracer.add([id]);
  }
  if (verb === 'remove' && words.length === 1) {
    const id = numberOf(words[0]!);
    return (tracer) => tracer.drop(id);
  }
  if (verb === 'report' && words.length <= 1) {
    const id = words[0] === undefined ? undefined : numberOf(words[0]);
    return (tracer) => tracer.report(id);
  }
  if (verb === 'bound' && (words.length === 2 || words.length === 3)) {
    const id = words.length === 3 ? numberOf(words[0]!) : undefined;
    const [figure, time] = words.slice(-2) as [ThreadFigure, string];
    if (!FIGURES.includes(figure)) throw new UsageError(`no figure "${figure}": ${FIGURES.join(', ')}`);
    const ns = parseTime(figure, time, MOST_NS);
    return (tracer) => tracer.setBound(figure, ns, id);
  }
  const typed = plain(line.trim()).slice(0, 80);
  throw new UsageError(`"${typed}": add pid|tid|name X, remove N, bound [N] FIGURE TIME, report [N]`);
}

function numberOf(typed: string): number {
  if (!/^[1-9]\d{0,9}$/.test(typed)) throw new UsageError(`"${typed}" is not the number of a thread or process`);
  return Number(typed);
}

function wholeOf(name: string, typed: string | undefined, least: number, most: number): number | undefined {
  if (typed === undefined) return undefined;
  if (!/^\d{1,7}$/.test(typed) || Number(typed) < least || Number(typed) > most)
    throw new UsageError(`${name} ${typed}: a whole number from ${least} to ${most}`);
  return Number(typed);
}

const threads = (count: number): string => (count === 1 ? '1 thread' : `${count} threads`);
