/** What users see of the pool: `offload` and `offloadStatus`. */
import { threadId, type TransferListItem } from 'node:worker_threads';
import { checkOptions, invalidArgument, PercoreError } from '../errors.js';
import { fileUrlOf } from '../file-url.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { addRoom, checkBand, controllerOf, partyOf, type Controller, type Party } from '../reactor/internal.js';
import { checkSignal, MAX_TIMEOUT_MS } from '../waiting.js';
import { OffloadClient, type ToAsker, type ToPool } from './client.js';
import { OffloadPool, type OffloadStatus } from './pool.js';
import type { OffloadContext } from './offload-thread.js';

export interface OffloadOptions {
  /** Band of the task among those that wait for a thread, 0 to 7. Default 3. A running task is not interrupted. */
  readonly priority?: number;
  /** Tasks of one key run one after the other, in the order in which they came, over all reactors. */
  readonly key?: string;
  /** Gives up when this aborts, with its reason; a running task learns of it by `context.shouldStop()`. */
  readonly signal?: AbortSignal;
  /**
   * Gives up with ERR_PERCORE_TIMEOUT after this many milliseconds, 0 to 2^31 - 1. A task that has not begun by then
   * never does.
   */
  readonly deadlineMs?: number;
  /**
   * ArrayBuffers and ports of the payload that are handed over instead of copied: they are unusable here afterwards.
   */
  readonly transfer?: readonly TransferListItem[];
}

/** A module that can be offloaded: its default export runs the task. */
export interface OffloadModule {
  /** Gets the payload as it was cloned. What it returns, or promises, is the result. */
  default(payload: never, context: OffloadContext): unknown;
}

/** What a module's task takes. */
export type PayloadOf<M> = M extends { default(payload: infer T, ...rest: never[]): unknown } ? T : unknown;
/** What it answers, awaited. */
export type ResultOf<M> = M extends { default(...given: never[]): infer R } ? Awaited<R> : unknown;

const OPTIONS = ['priority', 'key', 'signal', 'deadlineMs', 'transfer'];
const NO_OPTIONS: OffloadOptions = Object.freeze({});

/**
 * Runs long work on a pool of threads and promises its result, so that the reactor goes on meanwhile.
 *
 *     // hash.ts: export default function hash({ text, rounds }: { text: string; rounds: number }): string { … }
 *     const hash = await offload<typeof import('./hash.js')>(
 *       reactor, new URL('./hash.js', import.meta.url), { text, rounds: 100_000 }, { priority: 5, deadlineMs: 500 },
 *     );
 *
 * `of` is the reactor that asks, or the runtime for its main thread. `module` is a file: URL or an absolute path; its
 * default export is called with the payload and an OffloadContext. Payload and result are copied by structured clone,
 * which shares a SharedArrayBuffer. The first task makes the pool: as many threads as there are CPUs without a reactor,
 * at least one. They belong to the main thread and serve all reactors. The pool is for work of half a millisecond and
 * more: a task costs some tens of µs, and Node's channels allocate at both ends.
 *
 * Rejects with what the task threw, including its class, code, cause and remote stack; with the signal's reason; with
 * ERR_PERCORE_TIMEOUT; _OFFLOAD (its thread has ended, or the module has no default function); _BACK_PRESSURED (4,096
 * tasks of the runtime wait or run); _UNSERIALIZABLE; _CLOSED; _INVALID_ARGUMENT. Never blocks. The pool is piscina's,
 * with a queue of bands.
 */
export function offload<M = unknown>(
  of: Reactor | Runtime, module: URL | string, payload: PayloadOf<M>, options: OffloadOptions = NO_OPTIONS,
): Promise<ResultOf<M>> {
  try {
    const { key, signal, deadlineMs, transfer = [] } = checkOptions('offload', options, OPTIONS);
    const band = checkBand(options.priority);
    checkSignal(signal);
    if (deadlineMs !== undefined) checkDeadline(deadlineMs);
    if (key !== undefined && typeof key !== 'string') throw invalidArgument('key', key, 'a string');
    if (!Array.isArray(transfer)) throw invalidArgument('transfer', transfer, 'a list of ArrayBuffers and ports');
    const party = partyOf(of);
    if (party.isClosed) throw new PercoreError('ERR_PERCORE_CLOSED', 'offload: the runtime is closed');
    const deadlineNs = deadlineMs === undefined ? 0 : party.nowNs() + deadlineMs * 1e6;
    const client = clientOf(party, of);
    return client.run(
      { module: urlOf(module), payload, transfer, band, key, deadlineNs }, { signal, timeoutMs: deadlineMs },
    ) as Promise<ResultOf<M>>;
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/** The figures of the pool, which only the main thread has; undefined before the first task. Allocates. */
export function offloadStatus(runtime: Runtime): OffloadStatus | undefined {
  return pools.get(controllerOf(runtime))?.status();
}

function checkDeadline(value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMEOUT_MS) return;
  throw invalidArgument('deadlineMs', value, `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}, or left out`);
}

function urlOf(module: unknown): string {
  const url = fileUrlOf(module);
  if (url !== undefined) return url.href;
  throw invalidArgument(
    'module', module, "a file: URL or an absolute path, such as new URL('./work.js', import.meta.url)",
  );
}

// ---- Both ends of the channel ---------------------------------------------------------------------------------------

const ROOM = 'offload';
const clients = new WeakMap<Party, OffloadClient>();
const pools = new WeakMap<Controller, OffloadPool>();

addRoom(ROOM, {
  onMain(controller, reactor, body) {
    const { threadId: asker } = (controller as Controller).members[reactor]!;
    take(poolOf(controller as Controller), asker, body as ToPool);
  },
  onReactor(party, body) {
    const client = clients.get(party as Party);
    const message = body as ToAsker;
    if (message.kind === 'port') client?.listen(message.port);
    else client?.settle(message.id, message.outcome);
  },
});

function take(pool: OffloadPool, asker: number, message: ToPool): void {
  if (message.kind === 'run') pool.submit(asker, message.request);
  else pool.cancel(asker, message.id);
}

function clientOf(party: Party, of: Reactor | Runtime): OffloadClient {
  let client = clients.get(party);
  if (client === undefined) {
    const { toMain } = party;
    client = new OffloadClient(toMain === undefined
      // Copied at once, as when it comes from a reactor: changes of the payload after the call have no effect.
      ? (message, transfer) => {
          const pool = poolOf(controllerOf(of as Runtime));
          take(pool, threadId, structuredClone(message, { transfer: [...transfer] as ArrayBuffer[] }));
        }
      : (message, transfer) => toMain(ROOM, message, transfer));
    clients.set(party, client);
  }
  return client;
}

function poolOf(controller: Controller): OffloadPool {
  let pool = pools.get(controller);
  if (pool === undefined) {
    const memberOf = (asker: number) => controller.members.find((member) => member.threadId === asker);
    const post = (asker: number, body: ToAsker, transfer: readonly TransferListItem[] = []): void => {
      if (asker !== threadId) memberOf(asker)?.post(ROOM, body, transfer);
      else if (body.kind === 'port') clients.get(controller.main)?.listen(body.port);
      else clients.get(controller.main)?.settle(body.id, body.outcome);
    };
    pool = new OffloadPool(controller, {
      tell: (asker, id, outcome) => post(asker, { kind: 'result', id, outcome }),
      connect: (asker, port) => post(asker, { kind: 'port', port }, [port]),
      isThere: (asker) => asker === threadId || memberOf(asker)?.isDead === false,
    });
    pools.set(controller, pool);
  }
  return pool;
}
