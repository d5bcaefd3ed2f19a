/** Runs a program of reactors in one thread, for one seed after the other; see `simulate`. */
import { checkFunction, checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { native, replaceNative } from '../native.js';
import { actAs } from '../queues/internal.js';
import {
  checkRuntimeOptions, createRuntimeWith, type RuntimeSettings,
} from '../reactor/internal.js';
import type { EntryContext, Protocol, Reactor, RuntimeOptions, Untyped } from '../reactor/index.js';
import { monotonicClock } from '../timers/index.js';
import { catchUncaught, stopCallbacks } from './last-words.js';
import { replaceGlobals } from './node-globals.js';
import { Random } from '../random.js';
import { Simulation } from './simulation.js';
import { simulatedNative } from './simulated-native.js';
import { Threads, type Entry } from './threads.js';
import { World } from './virtual-machine.js';

/** These are as in a real runtime. */
type Shared<P extends Protocol> = Pick<
  RuntimeOptions<P>, 'maxReactors' | 'data' | 'budget' | 'publishEvery' | 'discipline' | 'classes' | 'restart' | 'main'
  | 'startTimeoutMs'
>;

export interface SimulationOptions<P extends Protocol = Untyped> extends Shared<P> {
  /** What runs in each reactor: the default export of the program's entry, or another function of that kind. */
  readonly entry: (reactor: Reactor<P>, data: never, context: EntryContext) => unknown;
  /** How many reactors; with two numbers, as many between them as the seed says. 1 to 255, default [2, 8]. */
  readonly reactors?: number | readonly [least: number, most: number];
  /** How many seeds are tried, one after the other: 1 to 10^9, default 100. */
  readonly seeds?: number;
  /** The first of them: 0 to 2^31, default 1. */
  readonly firstSeed?: number;
  /** This seed alone, to repeat a failure. PERCORE_SEED in the environment does the same for every simulation. */
  readonly seed?: number | undefined;
  /** Most reactors that die at random moments; the last one lives. 0 to 10^6, default 0. */
  readonly deaths?: number;
  /** Whether threads stand still at random for up to 300 µs, as on a busy machine. Default true. */
  readonly stalls?: boolean;
  /** Bytes of each lane: a power of two, 256 to 2^26. Default 1,024, so that lanes are full now and then. */
  readonly laneBytes?: number;
  /** A seed that needs more events and turns than this fails: 1,000 to 10^9, default 1,000,000. */
  readonly mostEvents?: number;
}

/** What `simulate` resolves with. */
export interface SimulationReport {
  /** Seeds that were run, all of which have passed. */
  readonly seeds: number;
  /** Over all seeds: events and turns, deaths, and messages that the dead had not published. */
  readonly events: number;
  /** Reactors that died, over all seeds. */
  readonly deaths: number;
  /** Messages that deaths have lost before they were published. */
  readonly unpublished: number;
}

const OWN = ['entry', 'reactors', 'seeds', 'firstSeed', 'seed', 'deaths', 'stalls', 'laneBytes', 'mostEvents'];
const SHARED = [
  'maxReactors', 'data', 'budget', 'publishEvery', 'discipline', 'classes', 'restart', 'main', 'startTimeoutMs',
];

let isRunning = false;

/**
 * Runs a program of reactors in this thread alone, once for each seed, with `scenario` as its main thread. All of it is
 * the code that ships. Only threads, the addon's loop, the clock and Node's timers are simulated, so that one seed
 * gives one order of everything, and a failure can be repeated. Messages, calls, tasks, topics, keyed tasks and their
 * moves, restarts, `scale` and `drain` work; I/O and offload do not.
 *
 *     import { simulate } from 'percore/testing';
 *     import start from './reactor.js';
 *     await simulate({ entry: start, reactors: [3, 64], seeds: 200, deaths: 2 }, async ({ runtime, rest, check }) => {
 *       runtime.send('orders', { price: 1 }, { reactor: 0 });
 *       await rest();
 *       check((await runtime.call('count', undefined, { reactor: 0 })) === 1, 'the order was taken');
 *     });
 *
 * Rejects with ERR_PERCORE_SIMULATION for the first seed that fails: the message has the seed and what ran last,
 * `cause` is what was thrown. While it runs, the global timers, clocks and `Math.random` of this thread belong to the
 * simulation, so there can be only one at a time (ERR_PERCORE_NAME_TAKEN). Throws ERR_PERCORE_INVALID_ARGUMENT. Source
 * of the idea: the deterministic simulation of FoundationDB.
 */
export async function simulate<P extends Protocol = Untyped>(
  options: SimulationOptions<P>, scenario: (simulation: Simulation<P>) => unknown,
): Promise<SimulationReport> {
  checkFunction('options.entry', checkOptions('options', options, [...OWN, ...SHARED]).entry);
  checkFunction('scenario', scenario);
  const seeds = seedsOf(options);
  const report = { seeds: seeds.length, events: 0, deaths: 0, unpublished: 0 };
  for (const seed of seeds) {
    const { events, deaths } = await runSeed(options, scenario, seed);
    report.events += events;
    report.deaths += deaths.length;
    for (const { lost } of deaths) report.unpublished += lost.unpublished;
  }
  return report;
}

function seedsOf<P extends Protocol>({ seed, seeds, firstSeed }: SimulationOptions<P>): number[] {
  const named = process.env['PERCORE_SEED'];
  const only = named === undefined || named === '' ? seed : Number(named);
  if (only !== undefined) return [checkInteger('seed', only, 0, 2 ** 31)];
  const count = checkInteger('seeds', seeds ?? 100, 1, 1e9);
  const first = checkInteger('firstSeed', firstSeed ?? 1, 0, 2 ** 31);
  return Array.from({ length: count }, (_, i) => first + i);
}

async function runSeed<P extends Protocol>(
  options: SimulationOptions<P>, scenario: (simulation: Simulation<P>) => unknown, seed: number,
): Promise<Simulation<P>> {
  if (isRunning) {
    const message = 'a simulation runs in this thread already, whose clock and timers are its own: await it first';
    throw new PercoreError('ERR_PERCORE_NAME_TAKEN', message);
  }
  const random = new Random(seed);
  const settings = settingsOf(options, random);
  const mostEvents = checkInteger('mostEvents', options.mostEvents ?? 1_000_000, 1000, 1e9);
  const deaths = checkInteger('deaths', options.deaths ?? 0, 0, 1e6);
  const { places } = settings;
  const main = { threadId: 999_999, party: places, loop: undefined, freeAtNs: 0, hasEnded: false, isDying: false };
  const world = new World({ random, stalls: options.stalls ?? true, mostEvents }, main);
  const threads = new Threads(world, options.entry as Entry);
  // It keeps the real clock, whoever asks for it first.
  monotonicClock();
  const real = replaceNative(simulatedNative(native(), world));
  const restoreGlobals = replaceGlobals(world);
  const letCallbacks = stopCallbacks(() => world.checkAlive());
  const giveBackUncaught = catchUncaught((what, cause) => world.noteUncaught(what, cause));
  isRunning = true;
  actAs(() => world.running.threadId);
  let simulation: Simulation<P> | undefined;
  try {
    const runtime = await world.drive(createRuntimeWith<P>(settings, options.main, threads));
    simulation = new Simulation<P>(runtime, seed, world, threads, deaths);
    const given = simulation;
    await world.drive((async () => scenario(given))());
    simulation.heal();
    if (simulation.complaint !== undefined) throw simulation.complaint;
    await world.drive(runtime.close());
    return simulation;
  } catch (cause) {
    throw failureOf(seed, settings.reactors, world, simulation?.unrest ?? [], cause);
  } finally {
    world.end();
    giveBackUncaught();
    letCallbacks();
    restoreGlobals();
    replaceNative(real);
    actAs();
    isRunning = false;
  }
}

function settingsOf<P extends Protocol>(options: SimulationOptions<P>, random: Random): RuntimeSettings {
  const { entry: _entry, reactors = [2, 8], laneBytes = 1024 } = options;
  const [least, most] = typeof reactors === 'number' ? [reactors, reactors] : reactors;
  checkInteger('reactors', least, 1, 255);
  checkInteger('reactors', most, least, 255);
  if (!Number.isInteger(Math.log2(laneBytes)) || laneBytes < 256 || laneBytes > 2 ** 26) {
    throw invalidArgument('laneBytes', laneBytes, 'a power of two from 256 to 67108864');
  }
  const count = least + random.below(most - least + 1);
  const shared = Object.fromEntries(SHARED.map((name) => [name, options[name as keyof typeof options]]));
  // The file must exist, but what runs is the function that the options name.
  const settings = checkRuntimeOptions({ ...shared, entry: import.meta.url, reactors: count, pin: false });
  return { ...settings, laneBytes };
}

function failureOf(
  seed: number, reactors: number, world: World, unrest: readonly string[], cause: unknown,
): PercoreError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `seed ${seed}, with ${reactors} reactors: ${why}\n`
    + `Run it again alone: PERCORE_SEED=${seed} in the environment, or simulate({ seed: ${seed}, … }).\n`
    + (unrest.length === 0 ? '' : `Not at rest:\n  ${unrest.slice(0, 10).join('\n  ')}\n`)
    + `What was run last:\n  ${world.trace.slice(-20).join('\n  ')}`;
  return new PercoreError('ERR_PERCORE_SIMULATION', message, { value: seed, cause });
}
