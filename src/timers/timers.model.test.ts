/**
 * Compares the real timers, over the native wheel, with a model, a sorted list. Both get random commands, by a clock
 * that stands still between them. They must run the same callbacks in the same order with the same ticks, and agree on
 * the count and the next deadline. So no timer is early, lost or run twice, cancel always works, and old numbers are
 * harmless, within callbacks too. CI runs 75 seeds of 1,000 commands, `PERCORE_STRESS=1` runs 1,000 seeds. A failure
 * prints its seed, its path and the shortest script that fails.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { create, noTimer, type LocalTimers, type Tick, type TickCallback, type TimerId } from './index.js';

const SEEDS = process.env['PERCORE_STRESS'] === '1' ? 1000 : 75;
const COMMANDS = 1000;
const DAY_NS = 86_400e9;
const TICK_NS = 65_536;

/**
 * Lengths of time that may matter: 0, one nanosecond, close to the edge of a slot on each level, a month, a century.
 */
const LENGTHS_NS: readonly number[] = [
  0, 0, 1, 2, 999, 1000, 1001, TICK_NS - 1, TICK_NS, TICK_NS + 1,
  ...[4, 10, 16, 22, 28, 34, 40, 46, 52].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1, 63 * 2 ** bits]),
  30 * DAY_NS, 365.25 * DAY_NS, 36_525 * DAY_NS,
];
/**
 * Where the clock begins: at 0, where numbers stop counting single nanoseconds, where the number of a tick changes in
 * every digit, and far out.
 */
const STARTS_NS: readonly number[] = [0, 0, 1e9, 2 ** 53 - 1e6, 2 ** 40 - 1, 2 ** 58 - 2 ** 20, 2 ** 61];

interface Script {
  readonly start: number;
  readonly tickNs: number;
  readonly expiriesPerTurn: number;
  readonly bands: number;
  readonly commands: readonly (readonly [kind: number, a: number, b: number])[];
}

/**
 * What the callback of a timer does besides noting that it ran: something to the timer with this number, or nothing.
 */
interface Action {
  readonly kind: 'nothing' | 'cancel' | 'reschedule' | 'after' | 'throw';
  readonly which: number;
  readonly lengthNs: number;
}

type Entry = readonly [which: number, sequence: number, expectedNs: number, latenessNs: number, missed: number];

interface ModelTimer {
  readonly which: number;
  readonly band: number;
  readonly action: Action;
  /** For a timer with several ticks. */
  readonly intervalsNs: readonly number[];
  readonly isCyclic: boolean;
  state: 'armed' | 'due' | 'running' | 'over';
  /** When it is due: a deadline that was set, and the exact sum of the intervals since then. */
  baseNs: number;
  sinceNs: bigint;
  /** The same, as the wheel has it. */
  deadlineNs: number;
  order: number;
  at: number;
  sequence: number;
}

/**
 * Computes the sum of the intervals exactly. Beyond 2^53 that sum is rounded before it is added to the base, and the
 * result is rounded once more. So a tick needs no arithmetic with more than 53 bits, and both roundings together stay
 * within the 1.5 µs that timers promise there.
 */
function deadlineOf({ baseNs, sinceNs }: Pick<ModelTimer, 'baseNs' | 'sinceNs'>, andNs = 0): number {
  const sumNs = sinceNs + BigInt(andNs);
  const deadlineNs = baseNs + Number(sumNs);
  const errorNs = Number(BigInt(deadlineNs) - (BigInt(baseNs) + sumNs));
  if (Math.abs(errorNs) > (deadlineNs < 2 ** 53 ? 0 : 1500)) {
    throw new Error(`a deadline of ${deadlineNs} ns is wrong by ${errorNs}`);
  }
  return deadlineNs;
}

/** The sum as timers promise it: never before the exact one. */
const later = (nowNs: number, delayNs: number): number =>
  nowNs + delayNs <= 2 ** 53 ? nowNs + delayNs : nowNs + delayNs + 1024;

/** What the timers and the model can do. Commands, and the actions of callbacks, go through this. */
interface Side {
  after(delayNs: number, band: number, action: Action): void;
  cancel(which: number): boolean;
  reschedule(which: number, delayNs: number): boolean;
}

class Model implements Side {
  readonly timers: ModelTimer[] = [];
  log: Entry[] = [];
  thrown = 0;
  count = 0;
  /** The sorted list: the earliest first, and equal ones in the order in which they were armed. */
  private readonly armed: ModelTimer[] = [];
  private readonly due: ModelTimer[] = [];
  private orders = 0;

  constructor(public nowNs: number, private readonly expiriesPerTurn: number) {}

  add(baseNs: number, band: number, action: Action, intervalsNs: readonly number[] = [], isCyclic = false): void {
    const timer: ModelTimer = {
      which: this.timers.length, band, action, intervalsNs, isCyclic, state: 'over', baseNs, sinceNs: 0n, deadlineNs: 0,
      order: 0, at: 0, sequence: 0,
    };
    this.timers.push(timer);
    this.count++;
    this.arm(timer);
  }

  after(delayNs: number, band: number, action: Action): void {
    this.add(later(this.nowNs, delayNs), band, action);
  }

  cancel(which: number): boolean {
    const timer = this.timers[which];
    if (timer === undefined || timer.state === 'over') return false;
    this.end(timer);
    return true;
  }

  reschedule(which: number, delayNs: number): boolean {
    const timer = this.timers[which];
    if (timer === undefined || timer.state === 'over') return false;
    this.disarm(timer);
    timer.baseNs = later(this.nowNs, delayNs);
    timer.sinceNs = 0n;
    this.arm(timer);
    return true;
  }

  next(): number {
    return this.armed[0]?.deadlineNs ?? Infinity;
  }

  /** Expires the earliest ones, as many as a turn takes; returns how many. */
  poll(): number {
    let count = 0;
    while (count < this.expiriesPerTurn && this.next() <= this.nowNs) {
      const timer = this.armed.shift()!;
      timer.state = 'due';
      this.due.push(timer);
      count++;
    }
    return count;
  }

  /** Takes the one that has been due for longest in the highest band. */
  select(): ModelTimer | undefined {
    let selected: ModelTimer | undefined;
    for (const timer of this.due) {
      if (timer.state === 'due' && (selected === undefined || timer.band > selected.band)) selected = timer;
    }
    if (selected === undefined) this.due.length = 0;
    else this.due.splice(this.due.indexOf(selected), 1);
    return selected;
  }

  run(timer: ModelTimer): void {
    const { intervalsNs } = timer;
    let missed = 0;
    // One by one, where the real timers calculate. The clock of a script never jumps so far that this takes long.
    while (intervalsNs.length !== 0 && !this.isLast(timer)) {
      const at = (timer.at + 1) % intervalsNs.length;
      if (deadlineOf(timer, intervalsNs[at]!) > this.nowNs) break;
      timer.sinceNs += BigInt(intervalsNs[at]!);
      timer.at = at;
      missed++;
    }
    timer.sequence += missed;
    if (intervalsNs.length === 0 || this.isLast(timer)) this.end(timer);
    else timer.state = 'running';
    const expectedNs = deadlineOf(timer);
    this.log.push([timer.which, timer.sequence, expectedNs, this.nowNs - expectedNs, missed]);
    act(this, timer.action);
    if (timer.action.kind === 'throw') this.thrown++;
    // This was its last tick, or its own action has ended it.
    if (timer.state === 'over') return;
    timer.sequence++;
    timer.at = (timer.at + 1) % intervalsNs.length;
    if (timer.state !== 'running') return;
    timer.sinceNs += BigInt(intervalsNs[timer.at]!);
    this.arm(timer);
  }

  private isLast(timer: ModelTimer): boolean {
    return !timer.isCyclic && timer.at === timer.intervalsNs.length - 1;
  }

  private arm(timer: ModelTimer): void {
    timer.state = 'armed';
    timer.deadlineNs = deadlineOf(timer);
    timer.order = this.orders++;
    let at = this.armed.length;
    // The youngest goes behind equal ones.
    while (at > 0 && this.armed[at - 1]!.deadlineNs > timer.deadlineNs) at--;
    this.armed.splice(at, 0, timer);
  }

  private disarm(timer: ModelTimer): void {
    if (timer.state === 'armed') this.armed.splice(this.armed.indexOf(timer), 1);
  }

  private end(timer: ModelTimer): void {
    this.disarm(timer);
    timer.state = 'over';
    this.count--;
  }
}

class Real implements Side {
  readonly timers: LocalTimers;
  readonly ids: TimerId[] = [];
  log: Entry[] = [];
  thrown = 0;

  constructor(public nowNs: number, { tickNs, expiriesPerTurn }: Script) {
    this.timers = create({
      tickNs,
      expiriesPerTurn,
      clock: { nowNs: () => this.nowNs },
      onError: () => void this.thrown++,
    });
  }

  after(delayNs: number, priority: number, action: Action): void {
    this.ids.push(this.timers.after({ delayNs, priority }, this.callback(action)));
  }

  cancel(which: number): boolean {
    return this.timers.cancel(this.ids[which] ?? noTimer);
  }

  reschedule(which: number, delayNs: number): boolean {
    return this.timers.reschedule(this.ids[which] ?? noTimer, { delayNs });
  }

  callback(action: Action): TickCallback {
    const which = this.ids.length;
    return ({ sequence, expectedNs, actualNs, latenessNs, missed }: Tick) => {
      if (actualNs !== this.nowNs) throw new Error(`actual ${actualNs} by a clock at ${this.nowNs}`);
      this.log.push([which, sequence, expectedNs, latenessNs, missed]);
      act(this, action);
      if (action.kind === 'throw') throw new Error('as the script has it');
    };
  }
}

function act(side: Side, { kind, which, lengthNs }: Action): void {
  if (kind === 'cancel') side.cancel(which);
  else if (kind === 'reschedule') side.reschedule(which, lengthNs);
  else if (kind === 'after') side.after(lengthNs, which % 8, { kind: 'nothing', which: 0, lengthNs: 0 });
}

/** Counts what the scripts have met, so that a suite that tries nothing fails. */
const met = new Map<string, number>();
const meet = (event: string, times = 1): void => void met.set(event, (met.get(event) ?? 0) + times);

function play(script: Script): void {
  const model = new Model(script.start, script.expiriesPerTurn);
  const real = new Real(script.start, script);
  const { timers } = real;
  const length = (number: number): number => LENGTHS_NS[number % LENGTHS_NS.length]!;
  const action = (number: number): Action => {
    const kind = (['nothing', 'nothing', 'nothing', 'nothing', 'cancel', 'reschedule', 'after', 'throw'] as const)[
      number & 7
    ]!;
    // It is aimed at the timer itself or at one made shortly before, which may be due together with it.
    return { kind, which: Math.max(0, model.timers.length + 2 - ((number >> 3) % 12)), lengthNs: length(number >> 5) };
  };
  const advance = (toNs: number): void => {
    // Only numbers that a clock can show: beyond 2^53 they are further apart.
    if (toNs > model.nowNs && toNs < 2 ** 62) model.nowNs = real.nowNs = toNs;
  };
  const runAll = (): void => {
    // There is a bound because a timer that moves itself to the present time is due again in each turn.
    for (let turns = 0; turns < 50; turns++) {
      const polled = model.poll();
      for (let timer = model.select(); timer !== undefined; timer = model.select()) model.run(timer);
      const ran = timers.turn();
      if (polled === 0 && ran === 0) break;
    }
  };
  const runByHand = (): void => {
    if (model.poll() !== timers.poll()) throw new Error('polled another number');
    for (let timer = model.select(); timer !== undefined; timer = model.select()) {
      const id = timers.select();
      if (id !== real.ids[timer.which]) throw new Error(`selected another than ${timer.which}`);
      model.run(timer);
      try {
        timers.run(id);
      } catch {
        real.thrown++;
      }
    }
    if (timers.select() !== noTimer) throw new Error('selected one too many');
  };

  for (const [kind, a, b] of script.commands) {
    const band = a % script.bands;
    switch (kind) {
      case 0: case 1: case 2: case 3: {
        const does = action(b);
        real.after(length(a), band, does);
        model.after(length(a), band, does);
        break;
      }
      case 4: {
        // An absolute deadline, which is often already over.
        const deadlineNs = Math.min(Math.max(0, model.nowNs + (b % 3 - 1) * length(a)), 2 ** 62);
        const does = action(b >> 2);
        real.ids.push(timers.at({ deadlineNs, priority: band }, real.callback(does)));
        model.add(deadlineNs, band, does);
        break;
      }
      case 5: {
        const intervalNs = Math.max(1000, length(a));
        const does = action(b);
        real.ids.push(timers.every({ intervalNs, priority: band }, real.callback(does)));
        model.add(later(model.nowNs, intervalNs), band, does, [intervalNs], true);
        break;
      }
      case 6: {
        // They are so short that their sums in a script stay below 2^53. Beyond that, the order of addition would
        // matter.
        const intervalsNs = Array.from({ length: 1 + (b % 4) }, (_, i) =>
          Math.min(2 ** 44, Math.max(1000, length(a + i * b))),
        );
        const does = action(b >> 2);
        real.ids.push(
          timers.walk(
            { intervalsNs, order: b % 8 < 4 ? 'linear' : 'round-robin', priority: band }, real.callback(does),
          ),
        );
        model.add(later(model.nowNs, intervalsNs[0]!), band, does, intervalsNs, b % 8 >= 4);
        break;
      }
      case 7: case 8: {
        const which = a % (model.timers.length + 1);
        const isLive = model.cancel(which);
        meet(isLive ? 'cancelled' : 'not cancelled');
        expect(real.cancel(which), `cancel ${which}`).toBe(isLive);
        break;
      }
      case 9: {
        const which = a % (model.timers.length + 1);
        expect(real.reschedule(which, length(b)), `reschedule ${which}`).toBe(model.reschedule(which, length(b)));
        break;
      }
      case 10: case 11: case 12: {
        // To the next deadline, just before it, or by a limited time beyond it, so that no walk has a million ticks to
        // skip.
        const nextNs = model.next();
        if (nextNs !== Infinity) advance(kind === 10 ? nextNs : kind === 11 ? nextNs - 1 : nextNs + (a % 50_000));
        runAll();
        break;
      }
      case 13:
        advance(model.nowNs + (a % 200_000));
        runByHand();
        break;
      default:
        expect(timers.nextDeadlineNs(), 'the next deadline').toBe(model.next());
    }
    // Compare the numbers first, since a thousand calls of expect() in each script would take most of the time.
    if (timers.count !== model.count) expect(timers.count, 'count').toBe(model.count);
    if (
      real.log.length !== model.log.length ||
      real.log.some((entry, i) => entry.some((value, j) => value !== model.log[i]![j]))
    )
      expect(real.log).toEqual(model.log);
    if (real.thrown !== model.thrown) expect(real.thrown, 'thrown').toBe(model.thrown);
    meet('ran', real.log.length);
    meet('skipped', real.log.reduce((sum, [, , , , missed]) => sum + missed, 0));
    real.log = [];
    model.log = [];
  }
  meet('commands', script.commands.length);
  meet('threw', real.thrown);
  timers.close();
}

/** Removes commands from a script for as long as it still fails. */
function shortest(script: Script): Script {
  let commands = [...script.commands];
  for (let size = commands.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < commands.length;) {
      const fewer = [...commands.slice(0, from), ...commands.slice(from + size)];
      if (fails({ ...script, commands: fewer })) commands = fewer;
      else from += size;
    }
  }
  return { ...script, commands };
}

function fails(script: Script): boolean {
  try {
    play(script);
    return false;
  } catch {
    return true;
  }
}

it(`${SEEDS * COMMANDS} commands over ${SEEDS} seeds: no timer is early, lost, run twice or run after cancel()`, () => {
  const command = fc.tuple(fc.nat(14), fc.nat(0xffff), fc.nat(0xffff));
  const scripts = fc.record({
    start: fc.constantFrom(...STARTS_NS),
    tickNs: fc.constantFrom(TICK_NS, TICK_NS, 1, 1000, 2 ** 22, 2 ** 40),
    expiriesPerTurn: fc.constantFrom(1, 3, 256),
    bands: fc.constantFrom(1, 1, 8),
    commands: fc.array(command, { minLength: COMMANDS, maxLength: COMMANDS, size: 'max' }),
  });
  // The script is shortened here, since fast-check would simplify each of a thousand commands one by one.
  fc.assert(
    fc.property(scripts, (script) => {
      try {
        play(script);
      } catch (error) {
        const { commands, ...setting } = shortest(script);
        throw new Error(
          `${(error as Error).message.slice(0, 300)}\n${JSON.stringify(setting)}\n${JSON.stringify(commands)}`,
          { cause: error },
        );
      }
    }),
    { numRuns: SEEDS, endOnFailure: true, reporter: report },
  );
  for (const [event, least] of [
    ['commands', SEEDS * COMMANDS],
    ['ran', SEEDS * 100],
    ['cancelled', SEEDS * 10],
    ['not cancelled', SEEDS],
    ['threw', SEEDS],
    ['skipped', SEEDS],
  ] as const) {
    expect(met.get(event) ?? 0, event).toBeGreaterThanOrEqual(least);
  }
}, 300_000);

/** The message of a failure without the counterexample of a thousand commands. */
function report<T>({ failed, seed, counterexamplePath, errorInstance }: fc.RunDetails<T>): void {
  if (failed) {
    throw new Error(`seed ${seed}, path ${counterexamplePath}: ${(errorInstance as Error | null)?.message}`, {
      cause: errorInstance,
    });
  }
}
