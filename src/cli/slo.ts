/** `percore slo`: bounds of a running program, changed from outside. */
import { parseArgs } from 'node:util';
import { askForBounds, MOST_BOUND_NS, readPage } from '../monitor/internal.js';
import { plain } from './cells.js';
import { pathOf } from './choose-page.js';
import { DONE, FAILED, UsageError } from './command.js';
import { parseTime } from './duration.js';

export const summary = 'sets upper bounds for the figures of tasks of a program';

export const usage = `
percore slo [pid] (--task NAME | --class NAME | --priority N) [--reactor N] [--response TIME] [--run TIME] …

Sets upper bounds for figures of tasks of a program that shows its counters (publishCounters of percore) and takes
figures (createRuntime({ metrics: true })), as setSlo does inside. Without a pid: the one program that shows its
counters. A TIME is a number and its unit, as 500us, 2ms, 1s; 0 takes a bound back.

  --task NAME          the task of this name
  --class NAME         all tasks of this class, as createRuntime({ classes }) names it
  --priority N         all tasks of this priority, 0 to 7
  --reactor N          of one reactor alone
  --schedule-in TIME   from ready until it starts
  --response TIME      from ready until it is done
  --relief TIME        from ready until it asks for its next tick
  --run TIME           how long a step runs
  --page PATH          a page at another place than /dev/shm/percore-<pid>

Prints for how many tasks; with none the exit code is 1.

  percore slo --task orders --response 500us
`;

/** Of the tasks that there are, when the one that was meant is not among them. */
const MOST_NAMED = 20;
const FIGURES = ['schedule-in', 'response', 'relief', 'run'] as const;

export async function run(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args, allowPositionals: true,
    options: {
      task: text, class: text, priority: text, reactor: text, page: text,
      'schedule-in': text, response: text, relief: text, run: text,
    },
  });
  if (positionals.length > 1) throw new UsageError(`name one pid, not ${positionals.length}`);
  if ([values.task, values.class, values.priority].filter((value) => value !== undefined).length !== 1)
    throw new UsageError('say one of --task, --class and --priority');
  const boundsNs = FIGURES.map((name) => timeOf(name, values[name]));
  if (boundsNs.every((ns) => ns === -1))
    throw new UsageError(`name a bound: ${FIGURES.map((name) => `--${name}`).join(', ')}`);
  const ask = {
    task: values.task, band: wholeOf('priority', values.priority, 7), reactor: wholeOf('reactor', values.reactor, 1023),
    boundsNs,
  };
  if (ask.task === '') throw new UsageError('--task needs a name');
  const path = values.page ?? pathOf('slo', positionals[0]);
  if (path === undefined) return FAILED;
  const { classes, tasks, parties } = readPage(path);
  if (ask.reactor !== undefined && ask.reactor >= parties.length)
    throw new UsageError(`--reactor ${ask.reactor}: 0 to ${parties.length - 1}, of which the last is the main thread`);
  const ofClass = values.class === undefined ? undefined : classes.find(({ name }) => name === values.class);
  if (values.class !== undefined && ofClass === undefined)
    throw new UsageError(`--class ${values.class}: there is ${classes.map(({ name }) => name).join(', ') || 'none'}`);
  const count = await askForBounds(path, { ...ask, band: ask.band ?? ofClass?.priority });
  process.stdout.write(`${count} ${count === 1 ? 'task' : 'tasks'}\n`);
  if (count > 0) return DONE;
  const names = [...new Set(tasks.map(({ name }) => name))];
  const some = names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ', …' : '');
  process.stderr.write(`percore slo: ${names.length === 0
    ? 'the program shows no tasks: it takes figures of those that have run by createRuntime({ metrics: true })'
    : `there is no such task; there is ${plain(some)}`}\n`);
  return FAILED;
}

function timeOf(name: string, text: string | undefined): number {
  return text === undefined ? -1 : parseTime(`--${name}`, text, MOST_BOUND_NS);
}

function wholeOf(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,4}$/.test(text) || Number(text) > most) throw new UsageError(`--${name} ${text}: 0 to ${most}`);
  return Number(text);
}
