/**
 * The peers by the names that rows call them, which program each is in, and contenders made of them. A peer that is not
 * installed is named on stderr and in the row's note, and left out.
 */
import { check, type Contender } from '../../harness.js';
import { rootUrl } from '../../context.js';
import { runProgram } from '../../programs.js';
import { twoCpus } from '../../cpus.js';

/** The program of bench/peers/build.mjs that has a peer, and the patterns in which it is at its best or comparable. */
interface Peer {
  readonly program: 'boost' | 'rte_ring' | 'zeromq' | 'rust' | 'go' | 'disruptor' | 'jctools';
  /** Milliseconds until its compiler has come to rest. */
  readonly warmupMs?: number;
}
const JAVA = { warmupMs: 1000 };
export const peers = {
  'disruptor yielding': { program: 'disruptor', ...JAVA },
  'disruptor busy-spin': { program: 'disruptor', ...JAVA },
  'disruptor multi yielding': { program: 'disruptor', ...JAVA },
  'disruptor multi busy-spin': { program: 'disruptor', ...JAVA },
  'jctools': { program: 'jctools', ...JAVA },
  'boost spsc': { program: 'boost' },
  'boost queue': { program: 'boost' },
  'rte_ring': { program: 'rte_ring' },
  'zeromq': { program: 'zeromq' },
  'crossbeam': { program: 'rust' },
  'std sync_channel': { program: 'rust' },
  'tokio mpsc': { program: 'rust' },
  'go channel': { program: 'go' },
} as const satisfies Record<string, Peer>;
export type PeerName = keyof typeof peers;

export interface Trial {
  readonly peer: PeerName;
  readonly pattern: 'each' | 'batch' | 'round-trip';
  readonly bytes?: 8 | 64;
  readonly batch?: number;
  readonly capacity: number;
  readonly producers?: number;
}

const WARMUP_MS = 200;
const MEASURE_MS = 300;
interface Built { readonly start?: readonly string[]; readonly missing?: string; readonly version: string }
const built = new Map<string, Promise<Built>>();
const versions = new Set<string>();

function programOf(peer: PeerName): Promise<Built> {
  const { program } = peers[peer];
  const known = built.get(program);
  if (known !== undefined) return known;
  const building = import(new URL('bench/peers/build.mjs', rootUrl).href)
    .then((module: { buildPeer(name: string): Promise<Built> }) => module.buildPeer(program))
    .then((result) => {
      if (result.missing === undefined) {
        versions.add(result.version);
        process.stderr.write(`peers/${program}: ${result.version}\n`);
      } else process.stderr.write(`peers/${program} is left out: ${result.missing}\n`);
      return result;
    });
  built.set(program, building);
  return building;
}

/** Those of `trials` whose peers are here as contenders, and what to say about versions and about those left out. */
export async function contenders<Name extends 'rate' | 'p50' | 'p99'>(
  trials: readonly Trial[],
): Promise<{ present: Contender<Name>[]; note: string }> {
  const present: Contender<Name>[] = [];
  const missing: string[] = [];
  for (const trial of trials) {
    const { start } = await programOf(trial.peer);
    if (start === undefined) missing.push(nameOf(trial));
    else present.push(contender(trial, start));
  }
  const left = missing.length === 0 ? '' : `; left out, since bench/peers/install has not run: ${missing.join(', ')}`;
  return { present, note: `${[...versions].join(', ')}${left}` };
}

export const nameOf = ({ peer, pattern }: Trial): string => (pattern === 'batch' ? `${peer} batch` : peer);

function contender<Name extends 'rate' | 'p50' | 'p99'>(trial: Trial, start: readonly string[]): Contender<Name> {
  const { peer, pattern, bytes = 8, batch = pattern === 'batch' ? 64 : 1, capacity, producers = 1 } = trial;
  const { warmupMs = WARMUP_MS }: Peer = peers[peer];
  return {
    name: nameOf(trial),
    async run() {
      const [command, ...first] = start;
      const result = await runProgram(command, [
        ...first, peer, pattern, bytes, batch, capacity, producers, ...twoCpus(), warmupMs, MEASURE_MS,
      ]);
      check(result.verified === true, `${peer} says that a result was wrong`);
      const { rate, p50, p99 } = result as Record<string, number>;
      return (pattern === 'round-trip' ? { p50, p99 } : { rate: rate / 1e6 }) as unknown as Readonly<
        Record<Name, number>
      >;
    },
  };
}
