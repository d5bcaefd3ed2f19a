/** `percore bench`: how fast this machine is, beside postMessage and piscina, in less than a minute. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PercoreError } from '../errors.js';
import { cpuBudget } from '../realtime/index.js';
import type { Side } from './bench-sides.js';
import { DONE, UsageError } from './command.js';

export const summary = 'measure this machine against postMessage and piscina';
export const usage = `
Usage: percore bench [options]

Measures messages, calls and round trips between the main thread and one other
thread, for percore, postMessage and piscina in turn, and checks every answer.
Nothing else should run meanwhile.

  --seconds N        how long all takes, about: 5 to 50 (default 20)
  --json             print the figures as JSON
  --compare FILE     beside the figures of an earlier --json
  --backend NAME     native or portable, in place of what this machine chooses

  percore bench --json > before.json      percore bench --compare before.json
`;

/** One figure of one side. */
interface Figure {
  readonly name: string;
  readonly side: Side['name'];
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** The median of the rounds. */
  value: number;
  /** How far apart the rounds are: (largest - smallest) / median. */
  spread: number;
}

const ROUNDS = 3;
const IN_FLIGHT = 64;
const ROWS = [
  { name: 'messages', unit: 'messages/s', better: 'higher', measure: messages },
  { name: `calls, ${IN_FLIGHT} in flight`, unit: 'calls/s', better: 'higher', measure: calls },
  { name: 'round trip, median', unit: 'µs', better: 'lower', measure: roundTrip },
] as const;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: {
    seconds: { type: 'string', default: '20' }, json: { type: 'boolean', default: false },
    compare: { type: 'string' }, backend: { type: 'string' },
  } });
  const seconds = Number(values.seconds);
  if (!(seconds >= 5 && seconds <= 50)) throw new UsageError(`--seconds must be 5 to 50, not ${values.seconds}`);
  const before = values.compare === undefined ? undefined : readFigures(values.compare);
  // Said before anything loads the backend.
  if (values.backend !== undefined) process.env['PERCORE_BACKEND'] = values.backend;
  const figures = await measure(seconds);
  if (values.json) process.stdout.write(`${JSON.stringify({ ...context(), figures }, undefined, 2)}\n`);
  else process.stdout.write(table(figures, before));
  return DONE;
}

async function measure(seconds: number): Promise<Figure[]> {
  const { openPercore, openPiscina, openPlain } = await import('./bench-sides.js');
  const sides = [await openPercore(), openPlain(), await openPiscina()];
  const timed = ROWS.flatMap((row) =>
    sides.filter(({ send }) => row.name !== 'messages' || send !== undefined)
      .map((side) => ({ row, side, rounds: [] as number[] })),
  );
  const forMs = (seconds * 1000) / (timed.length * (ROUNDS + 0.3));
  try {
    // A warm-up first, then rounds in turn, so that whatever disturbs the machine disturbs all sides.
    for (const { row, side } of timed) await row.measure(side, forMs * 0.3);
    for (let round = 0; round < ROUNDS; round++)
      for (const { row, side, rounds } of timed) rounds.push(await row.measure(side, forMs));
  } finally {
    await Promise.all(sides.map((side) => side.close()));
  }
  return timed.map(({ row: { name, unit, better }, side, rounds }) => {
    const [least, value, most] = rounds.toSorted((a, b) => a - b) as [number, number, number];
    return { name, side: side.name, unit, better, value, spread: (most - least) / value };
  });
}

/** Messages a second, without answers; the sum at the end shows that all have arrived. */
async function messages(side: Side, forMs: number): Promise<number> {
  const COUNT = 20_000;
  const from = await side.send!(0);
  const start = performance.now();
  let sent = 0;
  let sum = from;
  while (performance.now() - start < forMs) {
    sum = await side.send!(COUNT);
    sent += COUNT;
  }
  check(side, sum - from, sent);
  return (sent * 1000) / (performance.now() - start);
}

/** Calls a second: so many loops, each of which awaits its answer before it calls again. */
async function calls(side: Side, forMs: number): Promise<number> {
  const start = performance.now();
  let answered = 0;
  await Promise.all(Array.from({ length: IN_FLIGHT }, async (_, loop) => {
    for (let argument = loop; performance.now() - start < forMs; argument += IN_FLIGHT) {
      check(side, await side.addOne(argument), argument + 1);
      answered++;
    }
  }));
  return (answered * 1000) / (performance.now() - start);
}

/** The median of single round trips, in microseconds. */
async function roundTrip(side: Side, forMs: number): Promise<number> {
  const taken: number[] = [];
  const start = performance.now();
  for (let now = start; now - start < forMs;) {
    check(side, await side.addOne(taken.length), taken.length + 1);
    const then = performance.now();
    taken.push(then - now);
    now = then;
  }
  return taken.toSorted((a, b) => a - b)[taken.length >> 1]! * 1000;
}

function check(side: Side, got: number, expected: number): void {
  if (got !== expected) throw new Error(`${side.name} has answered ${got} where ${expected} is right: no figures`);
}

function context(): { node: string; cpus: number; quota: number; at: string } {
  const { allowed, quota } = cpuBudget();
  return { node: process.version, cpus: allowed.length, quota, at: new Date().toISOString() };
}

function table(figures: readonly Figure[], before: readonly Figure[] | undefined): string {
  const lines: string[] = [];
  for (const { name, better, unit } of ROWS) {
    const ours = figures.find((figure) => figure.name === name && figure.side === 'percore')!;
    lines.push(`${name} (${unit}, ${better} is better)`);
    for (const { side, value, spread } of figures.filter((figure) => figure.name === name)) {
      const factor = better === 'higher' ? ours.value / value : value / ours.value;
      const earlier = before?.find((figure) => figure.name === name && figure.side === side);
      lines.push([
        `  ${side.padEnd(12)}${show(value).padStart(12)}  ± ${(spread * 50).toFixed(0).padStart(2)} %`,
        side === 'percore' ? '' : `  percore is ${factor.toPrecision(2)} times as good`,
        earlier === undefined ? '' : `  before: ${show(earlier.value)} (${(value / earlier.value).toFixed(2)})`,
      ].join(''));
    }
  }
  return `${lines.join('\n')}\n\n${caveat()}\n`;
}

/** What the figures depend on most, if it is short. */
function caveat(): string {
  const { cpus, quota } = context();
  const granted = quota === Infinity ? `${cpus} CPUs` : `${cpus} CPUs, of which a quota grants ${quota}`;
  const caveats = Math.min(cpus, quota) < 2 ? 'both threads share a core, so a round trip is a switch between them'
    : cpus < 3 ? 'the two threads leave no core to anything else that runs here'
    : 'what else runs here takes its share';
  return `Node ${process.version}, ${granted}: ${caveats}.`;
}

function show(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toPrecision(3)} M` : value >= 1e4 ? `${(value / 1e3).toPrecision(3)} k`
    : value.toPrecision(3);
}

/** The figures of an earlier `--json`. Throws ERR_PERCORE_INVALID_ARGUMENT, or what reading the file throws. */
function readFigures(path: string): Figure[] {
  const text = readFileSync(path, 'utf8');
  try {
    const { figures } = JSON.parse(text) as { figures?: Figure[] };
    if (Array.isArray(figures)) return figures;
  } catch {
    // The error below says what is wrong; the position of a comma would help nobody.
  }
  throw new PercoreError(
    'ERR_PERCORE_INVALID_ARGUMENT', `${path} holds no figures: it must be what "percore bench --json" has printed`,
    { argument: '--compare', value: path },
  );
}
