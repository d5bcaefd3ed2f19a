import type { Party } from '../reactor/internal.js';
import { checkInteger, PercoreError } from '../errors.js';
import { controllerOf } from '../reactor/internal.js';
import type { MessageDrop, Protocol, ReactorDeath, Runtime, StepError, Untyped } from '../reactor/index.js';
import { rememberMemory, silence } from './last-words.js';
import type { Random } from '../random.js';
import type { Threads } from './threads.js';
import type { World } from './virtual-machine.js';

/** Turns of reactors between two random deaths. */
const DEATH_ONE_IN = 150;
/**
 * How many accesses of shared memory, at most, precede the death of a thread that is to die in the middle of a turn.
 */
const TOUCHES = 12;

/**
 * One run of a simulated program, as it is passed to the scenario. The scenario is the main thread of the program;
 * `runtime` is a real one, in which everything except I/O works. Times are virtual: `setTimeout`, `performance.now()`,
 * `Date.now()` and the timers of reactors follow the simulation's clock, which leaps to whatever comes next.
 *
 *     await simulate({ entry: start, reactors: [3, 8], deaths: 2, restart }, async ({ runtime, rest, check }) => {
 *       for (let i = 0; i < 100; i++) await runtime.call('add', i, { reactor: i % runtime.reactors });
 *       await rest();
 *       check(total === 4950, `the total is ${total}`);
 *     });
 */
export class Simulation<P extends Protocol = Untyped> {
  /** Errors that steps of reactors have thrown and nobody has taken out of here: at the end there must be none. */
  readonly stepErrors: StepError[] = [];
  /** Messages for names that nobody had: at the end there must be none. */
  readonly drops: MessageDrop[] = [];
  /** Those so far, each with what it has lost. */
  readonly deaths: ReactorDeath[] = [];
  /** The runtime of the main thread, which is the scenario. */
  readonly runtime: Runtime<P>;
  /** The number that everything by chance follows from. */
  readonly seed: number;
  readonly #world: World;
  readonly #threads: Threads;
  readonly #random: Random;
  #deathsLeft: number;

  /** `simulate` makes simulations. */
  constructor(runtime: Runtime<P>, seed: number, world: World, threads: Threads, deaths: number) {
    this.runtime = runtime;
    this.seed = seed;
    this.#world = world;
    this.#threads = threads;
    this.#random = world.options.random;
    this.#deathsLeft = deaths;
    const events = runtime as Runtime;
    events.on('stepError', (error) => void this.stepErrors.push(error));
    events.on('messageDropped', (drop) => void this.drops.push(drop));
    events.on('reactorDied', (death) => void this.deaths.push(death));
    world.isAtRest = () => this.#isAtRest();
    world.onTurn = (thread) => {
      if (this.#deathsLeft === 0 || thread === world.main || !this.#random.oneIn(DEATH_ONE_IN)) return;
      if (world.doomed !== undefined || this.#living().length < 2) return;
      this.#deathsLeft--;
      if (this.#random.oneIn(4)) this.kill(thread.party);
      else world.doomed = { thread, touches: 1 + this.#random.below(TOUCHES) };
    };
    world.onDeath = ({ party }) => {
      const restore = rememberMemory(this.#main.shared, party);
      const { party: inside, thread } = this.#threads.reactors[party]!;
      if (inside !== undefined) silence(inside, thread);
      return () => {
        restore();
        this.#threads.kill(party);
      };
    };
  }

  /** The time of the simulation, in nanoseconds since the runtime's start. */
  get nowNs(): number {
    return this.#world.nowNs();
  }

  /** Events and turns so far. */
  get events(): number {
    return this.#world.events;
  }

  /** A whole number from 0 to `below` - 1, determined by the seed. */
  readonly random = (below: number): number => this.#random.below(checkInteger('below', below, 1, 2 ** 31));

  /**
   * Says that the running step takes this many nanoseconds of simulated time: 0 to 10^12. Without it a step takes only
   * the time for which it reads the clock.
   */
  readonly work = (ns: number): void => this.#world.work(checkInteger('ns', ns, 0, 1e12));

  /**
   * Resolves when all reactors sleep, no call or move of a bucket is under way, and every death has had its
   * consequences. Timers that repeat are not waited for. If that never comes about, the seed fails.
   */
  readonly rest = (): Promise<void> => this.#world.rest();

  /** Fails the seed with this message unless `isTrue`. */
  readonly check = (isTrue: boolean, message: string): void => {
    if (!isTrue) throw new PercoreError('ERR_PERCORE_SIMULATION', message);
  };

  /** Ends the thread of a reactor now, between two steps. False if it has already ended. */
  readonly kill = (reactor: number): boolean => {
    return this.#threads.kill(checkInteger('reactor', reactor, 0, this.#main.shared.reactors - 1));
  };

  /** No random death comes from now on. */
  readonly heal = (): void => {
    this.#deathsLeft = 0;
  };

  get #main(): Party {
    return controllerOf(this.runtime as Runtime).main;
  }

  #living(): number[] {
    const { members } = controllerOf(this.runtime as Runtime);
    const hasEnded = (id: number): boolean => this.#threads.reactors[id]!.thread.hasEnded;
    return members.filter(({ isDead, id }) => !isDead && !hasEnded(id)).map(({ id }) => id);
  }

  #isAtRest(): boolean {
    const { members, deaths } = controllerOf(this.runtime as Runtime);
    return this.#main.isQuiet() && members.every((member) => {
      if (deaths.isRestarting(member)) return false;
      const { thread, party } = this.#threads.reactors[member.id]!;
      return thread.hasEnded ? member.isDead : party?.isQuiet() === true;
    });
  }

  /** What keeps each party from rest: one line for each, for the message of a failure. */
  get unrest(): string[] {
    const controller = controllerOf(this.runtime as Runtime);
    const parties = [...this.#threads.reactors.map((living) => living.party), this.#main];
    return parties.flatMap((party, id) => {
      const member = controller.members[id];
      if (member !== undefined && controller.deaths.isRestarting(member)) return [`reactor ${id} is started again`];
      if (party === undefined || member?.isDead === true || party.isQuiet()) return [];
      const { turn, calls, lanes } = party;
      const why = [
        turn.scheduler.discipline.isEmpty ? '' : 'something is ready',
        turn.waits.isIdle() ? '' : 'somebody waits for room',
        turn.steps.unsettled > 0 ? `${turn.steps.unsettled} asynchronous steps are under way` : '',
        turn.unpublished.count > 0 ? 'something is unpublished' : '', lanes.isEmpty() ? '' : 'its lanes hold records',
        calls.count > 0 ? `${calls.count} calls wait for answers` : '',
      ].filter((part) => part !== '');
      return [`${party.peers.nameOf(party.id)}: ${why.join(', ')}`];
    });
  }

  /** Why the seed has failed, although the scenario came to its end. */
  get complaint(): Error | undefined {
    const { error, where } = this.stepErrors[0] ?? {};
    if (error !== undefined) return new Error(`${where} has thrown: ${error.message}`, { cause: error });
    return this.drops[0]?.error;
  }
}
