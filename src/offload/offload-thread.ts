/**
 * What runs in a thread of the pool. It runs the module of each task, and sends the result straight to whoever asked. A
 * channel to each asker is opened with its first result; the main thread only hands on the other end.
 */
import { MessageChannel, parentPort, threadId, workerData, type MessagePort } from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { native } from '../native.js';
import { importEntry, packError } from '../reactor/internal.js';
import type { OffloadJob, OffloadResult, Outcome } from './offloaded.js';
import { PLACE, PORT, type PlaceOfThread, type ThreadMessage, type ThreadStart } from './thread-messages.js';

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
tell({ kind: PLACE, place: settle() });

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
  const { default: exported } = await importEntry(module);
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
    tell({ kind: PORT, asker, port: port2 }, [port2]);
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
