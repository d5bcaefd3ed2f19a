/* oxlint-disable unicorn/no-thenable -- Things that look like promises are among what is passed in to do harm. */
/**
 * Calls everything that is public of everything that it gets hold of, with right arguments and hostile ones mixed, and
 * judges what comes of it: a result, or an error of Percore's own with a code. What the user's own hostile value threw
 * may pass through.
 *
 *     makers ──> live objects ──> their public members ──> what these return ──> live objects …
 *
 * Every promise is kept: when the objects of a round have been closed, each must settle.
 */
import { EventEmitter } from 'node:events';
import { PercoreError } from 'percore';
import { Chance, hostile, HostileError } from './hostile.js';
import { publicMembers } from './public-members.js';

export type Make = (fuzzer: Fuzzer) => unknown;
/** Arguments of a function, each made anew; see `arg`. */
export type Hints = Readonly<Record<string, readonly Make[]>>;

export interface World {
  readonly hints: Hints;
  /** Functions to begin with: `[name, function]`. */
  readonly makers: readonly (readonly [string, (...args: any[]) => unknown])[];
  /**
   * Members that end the process or this program, or stand still for as long as they are told: why is said beside each.
   */
  readonly leftOut?: readonly string[];
  /** Makes arguments harmless that would be right and take for ever, or the whole memory. */
  bound?(name: string, args: unknown[]): unknown[];
  /** Once at the beginning of each round. */
  begin?(fuzzer: Fuzzer): Promise<void> | void;
  /** Closes what the members of live objects do not. */
  end?(fuzzer: Fuzzer): Promise<void> | void;
  readonly calls?: number;
}

const MOST_LIVE = 40;
/** Members by which the parts of this project find each other, though no declaration says that they are inside. */
const INSIDE = new Set([
  'isReady', 'onReadiness', 'schedule', 'token', 'words', 'bytes', 'view', 'buffer', 'runSlot', 'touch', 'noteThrown',
  'mustYield',
]);
const SETTLE_MS = 10_000;
const CLOSERS = ['close', '[Symbol.asyncDispose]', '[Symbol.dispose]', 'leave', 'destroy', 'cancel'];
const members = publicMembers();

interface Live {
  readonly value: any;
  readonly name: string;
}

export class Fuzzer {
  readonly live: Live[] = [];
  readonly failures = new Map<string, string>();
  calls = 0;
  /** What was called last, for errors that come later. */
  last = '';
  private pending = new Map<string, Promise<unknown>>();

  constructor(readonly chance: Chance, private readonly world: World, private readonly log: (line: string) => void) {
    process.on('uncaughtException', (error) => this.judge(error, `uncaught, some time before or after ${this.last}`));
    process.on('unhandledRejection', (error) =>
      this.judge(error, `unhandled rejection, some time before or after ${this.last}`),
    );
  }

  async round(): Promise<void> {
    await this.world.begin?.(this);
    for (let i = 0; i < (this.world.calls ?? 150); i++) {
      if (this.live.length < 3 || this.chance.is(0.2)) this.callMaker();
      else this.callMember();
      if (this.chance.is(0.1))
        await new Promise((done) => (this.chance.is(0.8) ? setImmediate(done) : setTimeout(done, 1)));
    }
    await this.finish();
  }

  private async finish(): Promise<void> {
    for (const each of this.live.reverse()) {
      for (const key of CLOSERS) {
        if (!publicKeys(each.value).has(key)) continue;
        this.call(`end of ${each.name}.${key}`, () => each.value[toKey(key)]());
        break;
      }
    }
    this.live.length = 0;
    await this.world.end?.(this);
    const end = Date.now() + SETTLE_MS;
    while (this.pending.size > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 5));
    for (const what of this.pending.keys()) this.fail(`never settles: ${what.replace(/^\d+ /, '')}`, '');
    this.pending.clear();
  }

  // ---- Calls
  // ----------------------------------------------------------------------------------------------------------

  private callMaker(): void {
    const [name, make] = this.chance.one(this.world.makers);
    const args = this.argumentsFor(name);
    this.call(name, () => make(...args), args);
  }

  private callMember(): void {
    const { value, name } = this.chance.one(this.live);
    const keys = [...publicKeys(value)].filter((key) => !this.world.leftOut?.includes(`${classOf(value)}.${key}`));
    // Ends are rarer than what comes before them.
    const key = keys.length === 0 ? undefined : this.chance.one(keys);
    if (key === undefined || (CLOSERS.includes(key) && this.chance.is(0.8))) return;
    const what = `${classOf(value)}.${key}`;
    if (/^on[A-Z]/.test(key) && typeof descriptorOf(value, key)?.value !== 'function') {
      const handler = this.arg(aFunction);
      this.call(`${what} =`, () => void (value[key] = handler), [handler]);
      return;
    }
    let member: unknown;
    this.call(`${what} (${name})`, () => (member = value[toKey(key)], undefined));
    if (typeof member !== 'function') return;
    const args = this.argumentsFor(what, key);
    this.call(what, () => (value[toKey(key)] as (...args: unknown[]) => unknown)(...args), args);
  }

  /** Runs one call and judges what comes of it; what it returns lives on. */
  call(what: string, run: () => unknown, args: readonly unknown[] = []): unknown {
    const number = ++this.calls;
    this.last = what;
    this.log(`${number} ${what}(${args.map(shown).join(', ')})`);
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      this.judge(error, what);
      return undefined;
    }
    this.keep(result, what, number);
    return result;
  }

  private keep(result: unknown, what: string, number: number): void {
    if (result instanceof Promise) {
      const id = `${number} ${what}`;
      this.pending.set(id, result);
      result
        .then(
          (value) => this.keep(value, what, number), (error: unknown) => this.judge(error, `promise of ${what}`),
        )
        .finally(() => this.pending.delete(id));
      return;
    }
    if (Array.isArray(result)) return;
    if (isOurs(result) && !this.live.some(({ value }) => value === result)) {
      if (this.live.length < MOST_LIVE) this.live.push({ value: result, name: `#${number} ${what}` });
      else this.live[this.chance.below(MOST_LIVE)] ??= { value: result, name: what };
    }
  }

  adopt(value: object, name: string): void {
    this.live.push({ value, name });
  }

  // ---- Arguments
  // ------------------------------------------------------------------------------------------------------

  private argumentsFor(...names: string[]): unknown[] {
    const name = names.find((each) => Object.hasOwn(this.world.hints, each));
    const makes = name === undefined ? [] : this.world.hints[name]!;
    let args = makes.map((make) => this.arg(make));
    if (this.chance.is(0.08)) args = args.slice(0, this.chance.below(args.length + 1));
    if (name === undefined || this.chance.is(0.05))
      for (let i = this.chance.below(3); i > 0; i--) args.push(hostile(this.chance));
    try {
      return this.world.bound?.(names[0]!, args) ?? args;
    } catch (error) {
      // Looking into a hostile argument may throw. What cannot be looked into cannot be made harmless either: the call
      // goes without it.
      if (error instanceof HostileError) return [];
      throw error;
    }
  }

  /** What `make` makes, or now and then something hostile, or something of another kind that is alive. */
  arg(make: Make): unknown {
    if (this.chance.is(0.78)) return make(this);
    if (this.chance.is(0.15) && this.live.length > 0) return this.chance.one(this.live).value;
    return hostile(this.chance);
  }

  /** Something alive of this class, or what `otherwise` makes. */
  ofClass(name: RegExp, otherwise: Make = () => undefined): unknown {
    const fitting = this.live.filter(({ value }) => name.test(classOf(value)));
    return fitting.length > 0 ? this.chance.one(fitting).value : otherwise(this);
  }

  // ---- Judging
  // --------------------------------------------------------------------------------------------------------

  judge(error: unknown, what: string): void {
    if (isAllowed(error)) return;
    const { name = typeof error, message = String(error), stack = '' } = (error ?? {}) as Error;
    this.fail(`${what}: ${name}: ${String(message).slice(0, 200)}`, String(stack));
  }

  /** What a step of a reactor threw: by its name, since its class was left behind. */
  judgeRemote(error: Error & { code?: string }): void {
    if (error.name === 'HostileError' || error.code?.startsWith('ERR_PERCORE_') === true) return;
    this.judge(error, 'in a reactor');
  }

  /** A failure that another fuzzer has found. */
  note(failure: string): void {
    this.fail(`in a reactor: ${failure}`, '');
  }

  private fail(what: string, stack: string): void {
    const key = what.replace(/#\d+/g, '#').replace(/some time before or after.*?:/, ':');
    if (this.failures.has(key) || this.failures.size > 100) return;
    this.failures.set(
      key,
      `${what}\n      ${stack
        .split('\n')
        .filter((line) => /^\s+at /.test(line))
        .slice(0, 6)
        .map((line) => line.trim())
        .join('\n      ')}\n      after call ${this.calls}`,
    );
    this.log(`FAILURE ${what}`);
  }
}

function isAllowed(error: unknown, depth = 0): boolean {
  if (error instanceof HostileError) return true;
  if (error instanceof PercoreError)
    return (
      typeof error.code === 'string'
      && error.code.startsWith('ERR_PERCORE_')
      && !/undefined is not|is not a function|Cannot read prop/.test(error.message)
    );
  // A reason of a signal.
  if (error instanceof DOMException && (error.name === 'AbortError' || error.name === 'TimeoutError')) return true;
  // Thrown by the handler "throws" of reactor-entry.ts, and carried to its caller as it is.
  if ((error as { code?: unknown } | null)?.code === 'E_HANDLER') return true;
  // Iterating a Proxy that the caller gave: what its target's own method throws is the caller's.
  if (error instanceof TypeError && /^\s*at Proxy\./.test((error.stack ?? '').split('\n')[1] ?? '')) return true;
  // A class given as a callback: it is the caller's own function that throws this.
  if (error instanceof TypeError && error.message === "Class constructor Some cannot be invoked without 'new'")
    return true;
  return error instanceof AggregateError && depth === 0 && error.errors.every((each) => isAllowed(each, 1));
}

// ---- What is public
// -----------------------------------------------------------------------------------------------------

const keysOfClass = new Map<object, Set<string>>();

export const classOf = (value: any): string => {
  try {
    return (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name ?? 'Object';
  } catch {
    return 'Object';
  }
};

function isOurs(value: unknown): value is object {
  return (
    typeof value === 'object'
    && value !== null
    && (members.has(classOf(value).replace(/^_|\d+$/g, '')) || isQueueHandle(value) || hasMethods(value))
  );
}

const isQueueHandle = (value: object): boolean =>
  typeof (value as { kind?: unknown }).kind === 'string' && Object.getPrototypeOf(value) === Object.prototype;
const hasMethods = (value: object): boolean =>
  Object.getPrototypeOf(value) === Object.prototype && Object.values(value).some((each) => typeof each === 'function');

function publicKeys(value: object): Set<string> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || prototype === Object.prototype) return new Set(Object.keys(value));
  let keys = keysOfClass.get(prototype);
  if (keys === undefined) {
    keys = new Set();
    let isSeen = false;
    for (
      let at: object | null = prototype;
      at !== null && at !== Object.prototype && at !== EventEmitter.prototype;
      at = Object.getPrototypeOf(at) as object | null
    ) {
      const name = (at as { constructor: { name: string } }).constructor.name.replace(/^_|\d+$/g, '');
      const known = members.get(name);
      // A class that users know by an interface hides what is under it.
      if (known === undefined || isSeen) continue;
      for (const key of known) if (key !== 'constructor' && !INSIDE.has(key)) keys.add(key);
      isSeen = name === 'LocalTask';
    }
    keysOfClass.set(prototype, keys);
  }
  return keys;
}

function descriptorOf(value: object, key: string): PropertyDescriptor | undefined {
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, toKey(key));
    if (found !== undefined) return found;
  }
  return undefined;
}

const toKey = (key: string): PropertyKey =>
  key.startsWith('[Symbol.') ? (Symbol as unknown as Record<string, symbol>)[key.slice(8, -1)]! : key;

function shown(value: unknown): string {
  try {
    if (typeof value === 'function') return `function ${String(value).slice(0, 30).replace(/\s+/g, ' ')}`;
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      return `{ ${Object.entries(Object.getOwnPropertyDescriptors(value))
        .map(
          ([key, { value: each }]) =>
            `${key}: ${typeof each === 'object' || typeof each === 'function' ? typeof each : shownPlainly(each)}`,
        )
        .join(', ')} }`.slice(0, 200);
    }
    if (typeof value === 'object' && value !== null) return `[${classOf(value)}]`;
    return shownPlainly(value);
  } catch {
    return 'something unspeakable';
  }
}

const shownPlainly = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.slice(0, 40))
    : Object.is(value, -0)
      ? '-0'
      : typeof value === 'bigint'
        ? `${value}n`
        : String(value);

// ---- Right arguments
// ------------------------------------------------------------------------------------------------------

export const int = (least: number, most: number): Make => ({ chance }) => least + chance.below(most - least + 1);
export const oneOf = (...values: unknown[]): Make => ({ chance }) => chance.one(values);
export const aText: Make = ({ chance }) => chance.one(['a', 'b', 'c', 'task', 'handler', 'key']);
export const bytes: Make = ({ chance }) => new Uint8Array(chance.one([0, 1, 8, 16, 24, 100]));
export const anything: Make = ({ chance }) =>
  chance.one<unknown>([1, 'text', null, { a: [1, 2] }, new Uint8Array(5), new Map([[1, 2]])]);
/** A callback that now and then does what callbacks should not do. */
export const aFunction: Make = ({ chance }) => {
  const act = chance.next();
  return (...args: any[]): unknown => {
    if (act < 0.1) throw new HostileError('thrown by a callback');
    if (act < 0.2) return Promise.reject(new HostileError('rejected by a callback'));
    if (act < 0.25) return { then: (done: (value: unknown) => void) => { done(1); done(2); } };
    if (act < 0.3) return { then: () => { throw new HostileError('thrown by a then'); } };
    if (act < 0.35) return chance.one([null, NaN, -1, 'text', 99]);
    if (act < 0.4) return Promise.resolve();
    return args.length > 5 ? 1 : undefined;
  };
};
/** An object of these fields: the first ones always, the others now and then; rarely with a field that nobody knows. */
export const options =
  (always: Record<string, Make>, sometimes: Record<string, Make> = {}): Make =>
  (fuzzer) => {
    const made: Record<string, unknown> = {};
    for (const [key, make] of Object.entries(always))
      if (!fuzzer.chance.is(0.03)) made[key] = fuzzer.chance.is(0.9) ? make(fuzzer) : fuzzer.arg(make);
    for (const [key, make] of Object.entries(sometimes))
      if (fuzzer.chance.is(0.35)) made[key] = fuzzer.chance.is(0.8) ? make(fuzzer) : fuzzer.arg(make);
    if (fuzzer.chance.is(0.03)) made[fuzzer.chance.one(['prioritty', 'timeout', 'unknown'])] = 1;
    if (fuzzer.chance.is(0.02))
      Object.defineProperty(made, fuzzer.chance.one(Object.keys({ ...always, ...sometimes, other: 1 })), {
        enumerable: true,
        configurable: true,
        get() {
          throw new HostileError('thrown by a getter of options');
        },
      });
    return made;
  };
export const wait: Make = options(
  {},
  {
    timeoutMs: int(1, 5), signal: ({ chance }) => (chance.is(0.5) ? new AbortController().signal : AbortSignal.abort()),
  },
);
