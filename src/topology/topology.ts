/**
 * A topology: who exists and who may send what to whom, written down once. The compiler checks senders and programs
 * against it, and at run time a message along any other edge is refused.
 *
 *      main --parse--> front: parse --match--> book: match        sends: { main: ['parse'], parse: ['match'] }
 */
import type { TopicPolicy } from '../bus/index.js';
import { PercoreError, checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { BANDS } from '../layout.js';
import type { ByteRecord, StepResult } from '../reactor/index.js';
import type { ClassOptions } from '../scheduling/index.js';
import type { Takes } from '../takes.js';
import type { ProcessBody, Supervise } from '../tasks/index.js';
import { FIELDS, type ControlMessages, type ControlVerb } from './messages.js';
import { urlOf, type ProgramContext } from './programs.js';

export { takes, type Takes } from '../takes.js';

/** A task of a topology: where it lives, and which program it runs. */
export interface TaskDeclaration {
  /** The name of a reactor, or 'main'. */
  readonly on: string;
  /** A file URL, such as `import.meta.url`, or an absolute path. */
  readonly module: string | URL;
  /** The name of the exported program. Default 'default'. */
  readonly export?: string;
  /** Its class, or its band. Default: band 3. */
  readonly class?: string;
  /** Its band: 0 to 7, default 3. */
  readonly priority?: number;
  /** As for `spawn`. */
  readonly capacity?: number;
  /** As for `spawn`. */
  readonly concurrency?: number;
  /** It takes bytes, as a task of `spawnBytes`. */
  readonly takesBytes?: boolean;
  /** Its program is a `ProcessProgram`, the body of a process. */
  readonly process?: boolean;
  /** As for `createProcess`. */
  readonly supervise?: Supervise;
  /** What its messages are, for the compiler: `takes<Order>()`. */
  readonly takes?: Takes<never>;
  /** What its program is given; copied by structured clone. */
  readonly data?: unknown;
}

/** A topic of a topology: who may publish to it, and which tasks get what is published. */
export interface TopicDeclaration {
  /** Tasks that publish to it, or 'main'. */
  readonly from: readonly string[];
  /** Tasks that get its messages, as any other message. */
  readonly to: readonly string[];
  /** What its messages are, for the compiler: `takes<Quote>()`. */
  readonly carries?: Takes<never>;
  /** The band of its messages. Default 3. */
  readonly priority?: number;
  /** Subscribers that come later get the last message of each publisher. */
  readonly retain?: boolean;
  /** What happens when a subscriber cannot keep up. Default 'wait'. */
  readonly whenSlow?: TopicPolicy;
  /** With `whenSlow: 'evict'`: as for `subscribe`. */
  readonly evictAfterMs?: number;
}

/** Something else that a reactor is asked to make, by the fields of its verb without the name. */
type Made<V extends ControlVerb> = { readonly on: string } & Named<ControlMessages[V]>;
/** Fields without the name, for each alternative by itself. Parties go by their names here. */
type Named<M> = M extends object
  ? { readonly [F in keyof M as F extends 'name' | 'of' ? never : F]: M[F] } & { readonly of?: string }
  : never;

/** What `defineTopology` takes. */
export interface TopologyDeclaration {
  /** Reactors by name, and their numbers. */
  readonly reactors: Readonly<Record<string, number>>;
  /** Bands with names. If `createRuntime({ classes })` gets the same object, it knows them by name. */
  readonly classes?: Readonly<Record<string, ClassOptions>>;
  /** What runs where, by name. */
  readonly tasks: Readonly<Record<string, TaskDeclaration>>;
  /** Who may send to whom: for each task, and for 'main', the tasks that it may send to. */
  readonly sends: Readonly<Record<string, readonly string[]>>;
  /** Who publishes what to whom, by name. */
  readonly topics?: Readonly<Record<string, TopicDeclaration>>;
  /** Queues in shared memory, by name. */
  readonly rings?: Readonly<Record<string, Made<'ring'>>>;
  /** Ends of rings, by name. */
  readonly cursors?: Readonly<Record<string, Made<'cursor'>>>;
  /** Rings that are shared out, by name. */
  readonly splits?: Readonly<Record<string, Made<'split'>>>;
  /** Messages at times, by name. */
  readonly timers?: Readonly<Record<string, Made<'timer'>>>;
  /** Listeners, by name. */
  readonly io?: Readonly<Record<string, Made<'io'>>>;
}

/** What the compiler refuses as well: names that do not exist. */
export interface CheckedTopology<T extends TopologyDeclaration> {
  readonly tasks: { readonly [N in keyof T['tasks']]: {
    readonly on: (keyof T['reactors'] & string) | 'main';
    readonly class?: T extends { readonly classes: infer C } ? keyof C & string : never;
  } };
  readonly sends: { readonly [N in keyof T['sends']]: N extends keyof T['tasks'] | 'main'
    ? readonly (keyof T['tasks'] & string)[]
    : never };
  readonly topics?: T extends { readonly topics: infer O } ? { readonly [N in keyof O]: {
    readonly from: readonly ((keyof T['tasks'] & string) | 'main')[];
    readonly to: readonly (keyof T['tasks'] & string)[];
  } } : never;
}

/** A topology that was checked: `defineTopology` makes it, `startTopology` starts it. */
export interface Topology<T extends TopologyDeclaration = TopologyDeclaration> {
  /** What `defineTopology` was given. */
  readonly declaration: T;
}

/** Names of tasks. */
export type TopologyTask<T extends TopologyDeclaration> = keyof T['tasks'] & string;
/** What a task takes, including from topics; `unknown` if nothing is said. */
export type TopologyMessage<T extends TopologyDeclaration, N extends keyof T['tasks']> =
  T['tasks'][N] extends { readonly takes: Takes<infer M> } ? M | HeardBy<TopicsIn<T>, N> : unknown;
type TopicsIn<T> = T extends { readonly topics: infer O } ? O : Record<never, never>;
type CarriedBy<O> = O extends { readonly carries: Takes<infer M> } ? M : unknown;
type HeardBy<O, N> = {
  [K in keyof O]: O[K] extends { readonly to: readonly (infer To)[] } ? N extends To ? CarriedBy<O[K]> : never : never
}[keyof O];
/** The topics to which `From` may publish, and what. */
export type TopologyPublishes<T extends TopologyDeclaration, From extends string> = PublishedBy<TopicsIn<T>, From>;
type PublishedBy<O, From> = {
  readonly [K in keyof O as O[K] extends { readonly from: readonly (infer F)[] } ? From extends F ? K : never : never]:
    CarriedBy<O[K]>
};
/** The tasks to which `From` may send, and what. */
export type TopologySends<T extends TopologyDeclaration, From extends string> =
  From extends keyof T['sends'] ? { readonly [To in T['sends'][From][number]]: TopologyMessage<T, To> } : object;

/** The program of a task of a topology, with the types of the topology: what comes in, and what it may send to whom. */
export type TopologyProgram<D extends Topology, N extends TopologyTask<D['declaration']>> = (
  context: ProgramContext<TopologySends<D['declaration'], N>, TopologyPublishes<D['declaration'], N>>,
) => TopologyStep<D, N> | Promise<TopologyStep<D, N>>;
type TopologyStep<D extends Topology, N extends TopologyTask<D['declaration']>> =
  D['declaration']['tasks'][N] extends { readonly takesBytes: true }
    ? (record: ByteRecord) => number | void
    : D['declaration']['tasks'][N] extends { readonly process: true }
      ? ProcessBody<TopologyMessage<D['declaration'], N>, unknown>
      : (message: TopologyMessage<D['declaration'], N>, from: number, priority: number) => StepResult;

const SECTIONS = [
  'reactors', 'classes', 'tasks', 'sends', 'topics', 'rings', 'cursors', 'splits', 'timers', 'io',
] as const;
const NEEDED: readonly string[] = ['reactors', 'tasks', 'sends'];
export const CLASS_FIELDS: readonly string[] = ['priority', 'tasks', 'polls', 'averageNs', 'isBounded'];
export const TOPIC_FIELDS: readonly string[] = [
  'from', 'to', 'carries', 'priority', 'retain', 'whenSlow', 'evictAfterMs',
];
const TASK_FIELDS = [
  'on', 'module', 'export', 'class', 'priority', 'capacity', 'concurrency', 'takesBytes', 'process', 'supervise',
  'takes', 'data',
];
type MadeSection = 'rings' | 'cursors' | 'splits' | 'timers' | 'io';
/** The sections that a verb makes, in the order in which they are made. */
export const MADE: readonly (readonly [section: MadeSection, verb: ControlVerb])[] = [
  ['rings', 'ring'], ['cursors', 'cursor'], ['splits', 'split'], ['timers', 'timer'], ['io', 'io'],
];

/**
 * Declares who exists and who may send what to whom. Starts nothing.
 *
 *     export const town = defineTopology({
 *       reactors: { front: 0, book: 1 },
 *       classes: { urgent: { priority: 6 } },
 *       tasks: {
 *         parse: { on: 'front', module: import.meta.url, export: 'parse', takes: takes<string>() },
 *         match: { on: 'book', module: import.meta.url, export: 'match', class: 'urgent', takes: takes<number>() },
 *       },
 *       sends: { main: ['parse'], parse: ['match'] },
 *     });
 *     export const parse: TopologyProgram<typeof town, 'parse'> = ({ send }) => (text) => send('match', Number(text));
 *
 * Throws ERR_PERCORE_TOPOLOGY for what does not fit together; its `argument` is the path to the fault.
 */
export function defineTopology<const T extends TopologyDeclaration>(
  declaration: T & CheckedTopology<NoInfer<T>>,
): Topology<T> {
  checkTopology(declaration);
  return { declaration };
}

/** The same for what the compiler has not seen, such as a file. */
export function checkTopology(declaration: TopologyDeclaration): void {
  inTopology('topology', () => checkOptions('topology', declaration, SECTIONS));
  if (declaration === undefined) throw wrong('topology', declaration, 'an object with reactors, tasks and sends');
  for (const section of SECTIONS) {
    const things: unknown = declaration[section];
    if (things === undefined && !NEEDED.includes(section)) continue;
    if (typeof things !== 'object' || things === null) throw wrong(section, things, 'an object: things by name');
  }
  const { reactors, classes = {}, tasks, sends } = declaration;
  for (const [name, id] of Object.entries(reactors)) {
    inTopology(`reactors.${name}`, () => checkInteger(`reactors.${name}`, id, 0, 254));
    if (name === 'main') throw wrong('reactors.main', id, 'left out: main is the main thread');
  }
  for (const [name, each] of Object.entries(classes)) {
    inTopology(`classes.${name}`, () => checkOptions(`classes.${name}`, each, CLASS_FIELDS));
    checkBandAt(`classes.${name}.priority`, each?.priority);
  }
  const parties = [...Object.keys(reactors), 'main'];
  for (const [name, task] of Object.entries(tasks)) checkTask(`tasks.${name}`, task, parties, Object.keys(classes));
  const names = Object.keys(tasks);
  for (const [from, to] of Object.entries(sends)) {
    checkAmong(`sends.${from}`, from, [...names, 'main']);
    if (!Array.isArray(to)) throw wrong(`sends.${from}`, to, 'a list of tasks');
    to.forEach((each, i) => checkAmong(`sends.${from}[${i}]`, each, names));
  }
  for (const [name, topic] of Object.entries(declaration.topics ?? {})) checkTopicAt(`topics.${name}`, topic, names);
  for (const [section, verb] of MADE) {
    for (const [name, made] of Object.entries(declaration[section] ?? {})) {
      const path = `${section}.${name}`;
      if (made === undefined) throw wrong(path, made, 'an object with "on" and what the thing needs');
      inTopology(path, () => checkOptions(path, made, ['on', ...FIELDS[verb].filter((field) => field !== 'name')]));
      checkAmong(`${path}.on`, made.on, parties);
      if (made.of !== undefined) checkAmong(`${path}.of`, made.of, parties);
    }
  }
}

function checkTask(path: string, task: TaskDeclaration, parties: readonly string[], classes: readonly string[]): void {
  inTopology(path, () => checkOptions(path, task, TASK_FIELDS));
  if (typeof task !== 'object') throw wrong(path, task, 'a task: { on, module }');
  checkAmong(`${path}.on`, task.on, parties);
  inTopology(`${path}.module`, () => urlOf(`${path}.module`, String(task.module)));
  if (task.priority !== undefined) checkBandAt(`${path}.priority`, task.priority);
  if (task.class === undefined) return;
  checkAmong(`${path}.class`, task.class, classes);
  if (task.priority !== undefined) throw wrong(`${path}.priority`, task.priority, 'left out: its class says it');
}

function checkTopicAt(path: string, topic: TopicDeclaration, tasks: readonly string[]): void {
  inTopology(path, () => checkOptions(path, topic, TOPIC_FIELDS));
  for (const [end, known] of [['from', [...tasks, 'main']], ['to', tasks]] as const) {
    const list = topic?.[end];
    if (!Array.isArray(list)) throw wrong(`${path}.${end}`, list, 'a list of tasks');
    list.forEach((each, i) => checkAmong(`${path}.${end}[${i}]`, each, known));
  }
  if (topic.priority !== undefined) checkBandAt(`${path}.priority`, topic.priority);
}

function checkBandAt(path: string, priority: unknown): void {
  inTopology(path, () => checkInteger(path, priority, 0, BANDS - 1));
}

function checkAmong(path: string, name: unknown, known: readonly string[]): void {
  if (typeof name === 'string' && known.includes(name)) return;
  const list = known.map((each) => `"${each}"`).join(', ') || 'nothing, since none is declared';
  throw wrong(path, name, `one of ${list}`);
}

function wrong(path: string, value: unknown, allowed: string): PercoreError {
  return invalidArgument(path, value, allowed, 'ERR_PERCORE_TOPOLOGY');
}

/** What a check throws, as an error of the topology. */
function inTopology(path: string, check: () => unknown): void {
  try {
    check();
  } catch (cause) {
    const { message, argument = path, value, allowed } = cause as PercoreError;
    throw new PercoreError('ERR_PERCORE_TOPOLOGY', message, {
      argument, value, cause, ...(allowed === undefined ? {} : { allowed }),
    });
  }
}
