/**
 * What runs in a thread of the pool. It runs the module of each task, and sends the result straight to whoever asked. A
 * channel to each asker is opened with its first result; the main thread only hands on the other end.
 */
import { MessageChannel, parentPort, threadId, workerData, type MessagePort } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { native } from '../native.js';
import { packError } from '../reactor/internal.js';
import type { OffloadJob, OffloadResult, Outcome } from './offloaded.js';

/** What a thread of the pool is started with. */
export interface ThreadStart {
  /** The CPUs where it shall run; undefined if no CPU is left for it alone. */
  readonly cpus: readonly number[] | undefined;
  /** The table of `offloadLayout`. */
  readonly words: Int32Array;
}

/** Where a thread of the pool was asked to run, and where it may run. */
export interface PlaceOfThread {
  /** Node's number of the thread. */
  readonly threadId: number;
  /** Undefined: anywhere, since reactors have all CPUs. */
  readonly cpusAsked: readonly number[] | undefined;
  /** Read back from the kernel. */
  readonly cpusGranted: readonly number[];
  /** What was asked of the system and not granted, and why. */
  readonly refusals: readonly string[];
}

/** What a thread of the pool tells the main thread. */
export type ThreadMessage =
  | { readonly kind: 'place'; readonly place: PlaceOfThread }
  | { readonly kind: 'port'; readonly asker: number; readonly port: MessagePort };

/** What a task is told besides its payload. */
export interface OffloadContext {
  /**
   * True if nobody waits for the result any more. Ask it in long loops, and return. It costs one load of a shared word;
   * the thread itself is never ended because of it.
   */
  shouldStop(): boolean;
}

type Task = (payload: unknown, context: OffloadContext) => unknown;

const { cpus, words } = workerData as ThreadStart;
const ports = new Map<number, MessagePort>();
const tasks = new Map<string, Task>();

native().threads.setName('percore-offload');
tell({ kind: 'place', place: settle() });

/** Piscina calls it for each task. Never rejects: what a task throws is its result. */
export default async function run(job: OffloadJob): Promise<void> {
  const { id, asker } = job;
  const port = portTo(asker);
  const outcome = await attempt(job);
  try {
    port.postMessage({ id, outcome } satisfies OffloadResult);
  } catch (error) {
    // A getter of the result may have thrown whatever it likes.
    const message = error instanceof Error ? error.message : String(error);
    const failure = packError(
      new PercoreError('ERR_PERCORE_UNSERIALIZABLE', `the result of ${job.module} cannot be sent: ${message}`),
    );
    port.postMessage({ id, outcome: { failure } } satisfies OffloadResult);
  }
}

async function attempt({ module, payload, place }: OffloadJob): Promise<Outcome> {
  try {
    const task = tasks.get(module) ?? await load(module);
    // Pairs with the stores of OffloadPool: it is a hint, which orders nothing.
    const context: OffloadContext = { shouldStop: () => Atomics.load(words, place) !== 0 };
    return { value: await task(payload, context) };
  } catch (error) {
    return { failure: packError(error) };
  }
}

async function load(module: string): Promise<Task> {
  const { default: exported } = await import(module) as { default?: unknown };
  // If a module was compiled to CommonJS, `import` gives all its exports as the default one.
  const task = typeof exported === 'function' ? exported : (exported as { default?: unknown } | undefined)?.default;
  if (typeof task !== 'function') {
    throw new PercoreError(
      'ERR_PERCORE_OFFLOAD',
      `${module} has no default export that is a function; write "export default function run(payload) { … }"`,
      { argument: 'module', value: module },
    );
  }
  tasks.set(module, task as Task);
  return task as Task;
}

function portTo(asker: number): MessagePort {
  let port = ports.get(asker);
  if (port === undefined) {
    const { port1, port2 } = new MessageChannel();
    ports.set(asker, (port = port1));
    // Another thread in the asker's place has another number.
    port1.on('close', () => ports.delete(asker));
    tell({ kind: 'port', asker, port: port2 }, [port2]);
  }
  return port;
}

function tell(message: ThreadMessage, transfer: MessagePort[] = []): void {
  parentPort!.postMessage(message, transfer);
}

function settle(): PlaceOfThread {
  const { threads } = native();
  const refusals: string[] = [];
  if (cpus !== undefined) {
    try {
      threads.setAffinity(cpus);
    } catch (error) {
      refusals.push(`run on the CPUs ${cpus.join(', ')}: ${(error as Error).message}`);
    }
  }
  return { threadId, cpusAsked: cpus, cpusGranted: threads.getAffinity(), refusals };
}
