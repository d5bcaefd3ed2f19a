/**
 * The peers by their names in rows, the program in which each one is, and the contenders that are made of them. A peer
 * that is not installed is named on stderr and in the note of the row, and left out.
 */
import { check, type Contender } from '../../harness.js';
import { rootUrl } from '../../context.js';
import { runProgram } from '../../programs.js';
import { twoCpus } from '../../cpus.js';

export type ProgramName =
  | 'boost' | 'rte_ring' | 'zeromq' | 'nng' | 'rust' | 'go' | 'disruptor' | 'jctools' | 'netty' | 'nettyTimers';

/** The program in bench/peers/build.mjs that contains a peer. */
interface Peer {
  readonly program: ProgramName;
  /** After so many milliseconds its compiler has come to rest. */
  readonly warmupMs?: number;
}
const JAVA = { warmupMs: 800 };
/** The peers that are queues. */
export const peers = {
  'disruptor yielding': { program: 'disruptor', ...JAVA },
  'disruptor busy-spin': { program: 'disruptor', ...JAVA },
  'disruptor blocking': { program: 'disruptor', ...JAVA },
  'disruptor pollers': { program: 'disruptor', ...JAVA },
  'disruptor multi yielding': { program: 'disruptor', ...JAVA },
  'disruptor multi busy-spin': { program: 'disruptor', ...JAVA },
  'jctools': { program: 'jctools', ...JAVA },
  'boost spsc': { program: 'boost' },
  'boost queue': { program: 'boost' },
  'rte_ring': { program: 'rte_ring' },
  'zeromq': { program: 'zeromq' },
  'nng': { program: 'nng' },
  'crossbeam': { program: 'rust' },
  'std sync_channel': { program: 'rust' },
  'tokio mpsc': { program: 'rust' },
  'go channel': { program: 'go' },
} as const satisfies Record<string, Peer>;
export type PeerName = keyof typeof peers;

export interface Trial {
  readonly peer: PeerName;
  readonly pattern: 'each' | 'batch' | 'broadcast' | 'round-trip' | 'wake';
  readonly bytes?: 8 | 64;
  readonly batch?: number;
  readonly capacity: number;
  readonly producers?: number;
  /** How long to measure, if the usual 200 ms give too few rounds. */
  readonly measureMs?: number;
}

/** The contenders that are installed, their versions, and the names of those that are missing. */
export interface Present<Name extends string> {
  readonly present: readonly Contender<Name>[];
  readonly versions: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
}

const WARMUP_MS = 100;
const MEASURE_MS = 200;
interface Built { readonly start?: readonly string[]; readonly missing?: string; readonly version: string }
const built = new Map<ProgramName, Promise<Built>>();

/** Builds a program, only once. If the result has no `start`, the program is missing. */
export function programOf(program: ProgramName): Promise<Built> {
  const known = built.get(program);
  if (known !== undefined) return known;
  const building = import(new URL('bench/peers/build.mjs', rootUrl).href)
    .then((module: { buildPeer(name: string): Promise<Built> }) => module.buildPeer(program))
    .then((result) => {
      const { missing, version } = result;
      process.stderr.write(`peers/${program}${missing === undefined ? `: ${version}` : ` is left out: ${missing}`}\n`);
      return result;
    });
  built.set(program, building);
  return building;
}

/** The contenders of those `trials` whose programs are installed. A function makes each of a trial and its command. */
export async function programs<T extends { readonly program: ProgramName; readonly name: string }, Name extends string>(
  trials: readonly T[], contender: (trial: T, start: readonly string[]) => Contender<Name>,
): Promise<Present<Name>> {
  const present: Contender<Name>[] = [];
  const [versions, missing] = [new Set<string>(), new Set<string>()];
  for (const trial of trials) {
    const { start, version } = await programOf(trial.program);
    if (start === undefined) {
      missing.add(trial.name);
      continue;
    }
    for (const each of version.split(', ')) versions.add(each);
    present.push(contender(trial, start));
  }
  return { present, versions, missing };
}

/** The contenders of those `trials` that are queues. */
export const queues = <Name extends 'rate' | 'p50' | 'p99'>(trials: readonly Trial[]): Promise<Present<Name>> =>
  programs(
    trials.map((trial) => ({ ...trial, program: peers[trial.peer].program, name: nameOf(trial) })),
    (trial, start) => queue<Name>(trial, start),
  );

export function together<Name extends string>(...all: readonly Present<Name>[]): Present<Name> {
  return {
    present: all.flatMap(({ present }) => present),
    versions: new Set(all.flatMap(({ versions }) => [...versions])),
    missing: new Set(all.flatMap(({ missing }) => [...missing])),
  };
}

/** The note of a row, which scripts/peers.mjs reads. */
export function noteOf({ versions, missing }: Omit<Present<string>, 'present'>): string {
  const left = missing.size === 0 ? '' : `; left out, since bench/peers/install did not bring it: ${list(missing)}`;
  return `versions: ${list(versions)}${left}`;
}
const list = (set: ReadonlySet<string>): string => [...set].join(', ');

export const nameOf = ({ peer, pattern }: Trial): string => (pattern === 'batch' ? `${peer} batch` : peer);

function queue<Name extends 'rate' | 'p50' | 'p99'>(trial: Trial, start: readonly string[]): Contender<Name> {
  const { peer, pattern, bytes = 8, batch = pattern === 'batch' ? 64 : 1, capacity, producers = 1 } = trial;
  const { warmupMs = WARMUP_MS }: Peer = peers[peer];
  return {
    name: nameOf(trial),
    async run() {
      const result = await verified(peer, start, [
        peer, pattern, bytes, batch, capacity, producers, ...twoCpus(), warmupMs, trial.measureMs ?? MEASURE_MS,
      ]);
      const { rate, p50, p99 } = result;
      return (rate === undefined ? { p50, p99 } : { rate: rate / 1e6 }) as unknown as Readonly<Record<Name, number>>;
    },
  };
}

/**
 * Runs the program of a peer and returns the figures that it prints. Throws CheckFailed unless all messages were right.
 */
export async function verified(
  name: string, start: readonly string[], args: readonly (string | number)[],
): Promise<Record<string, number>> {
  const [command, ...first] = start;
  const result = await runProgram(command, [...first, ...args]);
  check(result['verified'] === true, `${name} says that a result was wrong`);
  return result as Record<string, number>;
}
