/** How the main thread gets the threads of reactors: Node's workers. A simulator brings something else. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  MessageChannel, Worker, receiveMessageOnPort, type MessagePort, type ResourceLimits,
} from 'node:worker_threads';
import { PercoreError } from '../errors.js';
import { besideModule } from '../native.js';
import { checkDescriptors } from '../thread-descriptors.js';
import { ownBuild } from './own-build.js';
import { ownCode } from './own-code.js';
import type { ReportPort, WorkerStart } from './reactor-thread.js';

/** What is needed of a worker. */
export type StartedThread = Pick<Worker, 'threadId' | 'terminate' | 'ref' | 'unref' | 'on' | 'once'>;

export interface ThreadMaker {
  /** For the reports of one thread. */
  channel(): { readonly port1: ReportPort; readonly port2: ReportPort };
  /** Takes the next message of a port that was not delivered. */
  receive(port: ReportPort): { readonly message: unknown } | undefined;
  /** Throws what starting a thread throws. */
  start(start: WorkerStart, resourceLimits: ResourceLimits | undefined): StartedThread;
  /** Starts a thread that waits for its reactor. Throws what starting a thread throws. Simulators leave it out. */
  spare?(resourceLimits: ResourceLimits | undefined): SpareThread;
}

/**
 * A thread that has loaded everything except an entry, and waits to become a reactor's. It keeps no program running.
 */
export interface SpareThread {
  readonly threadId: number;
  /** The thread, which begins; undefined if it has ended. Throws for data that cannot be cloned. */
  take(start: WorkerStart): StartedThread | undefined;
  /** Nobody will need it. */
  end(): Promise<unknown>;
}

/** What such a thread gets at first: where to expect the rest. */
export interface SpareStart {
  readonly spare: MessagePort;
}

/** And the rest: what any reactor is started with, and the environment, of which a new thread would get a copy. */
export interface SpareTaken {
  readonly start: WorkerStart;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export const workers: ThreadMaker = {
  channel: () => new MessageChannel(),
  receive: (port) => receiveMessageOnPort(port as MessagePort) as { message: unknown } | undefined,
  start: (start, resourceLimits) =>
    startWorker(`percore-${start.id}`, start, start.reports as MessagePort, resourceLimits),
  spare: spareWorker,
};

function spareWorker(resourceLimits: ResourceLimits | undefined): SpareThread {
  const { port1, port2 } = new MessageChannel();
  const worker = startWorker('percore-spare', { spare: port2 }, port2, resourceLimits);
  let isGone = false;
  // A thread that ends by itself is not missed: the next death starts one as it would without a spare.
  const onEnd = (): void => void (isGone = true);
  worker.on('error', onEnd).on('exit', onEnd).unref();
  return {
    threadId: worker.threadId,
    take(start) {
      if (isGone) return undefined;
      isGone = true;
      const environment = { ...process.env };
      port1.postMessage({ start, environment } satisfies SpareTaken, [start.reports as MessagePort]);
      worker.off('error', onEnd).off('exit', onEnd).ref();
      return worker;
    },
    end: () => (isGone ? Promise.resolve() : worker.terminate()),
  };
}

function startWorker(
  name: string, workerData: WorkerStart | SpareStart, port: MessagePort, resourceLimits: ResourceLimits | undefined,
): Worker {
  checkDescriptors(`thread ${name}`);
  const path = workerPath();
  const code = ownCode();
  const options = {
    workerData: { ...workerData, build: ownBuild(), ...(code === undefined ? {} : { code }) },
    transferList: [port],
    name,
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  };
  // A program given by --eval or standard input may say by --input-type what it is. A worker inherits that, and then
  // accepts no file.
  const hasInputType = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some(
    (argument) => argument.includes('--input-type'),
  );
  return hasInputType
    ? new Worker(
      `import(${JSON.stringify(pathToFileURL(path).href)})`,
      { ...options, eval: true } as ConstructorParameters<typeof Worker>[1],
    )
    : new Worker(path, options as ConstructorParameters<typeof Worker>[1]);
}

/**
 * worker-main.js lies beside this module, also when that has become part of a bundle, or where PERCORE_WORKER_PATH
 * says. Beside it the package has the same as a CommonJS program, for which a thread needs 2 ms less to begin.
 */
function workerPath(): string {
  const named = process.env['PERCORE_WORKER_PATH'];
  const beside = (name: string): string | undefined => besideModule(import.meta.url, name);
  const [own, ...candidates] = named === undefined || named === ''
    ? [beside('./worker-main.cjs'), beside('./worker-main.js')] : [undefined, resolve(named), beside(named)];
  const found = [own, ...candidates].find((path) => path !== undefined && existsSync(path));
  if (found !== undefined) return found;
  const places = candidates.filter((path) => path !== undefined).join(' nor ');
  throw new PercoreError(
    'ERR_PERCORE_WORKER_UNAVAILABLE',
    `the program of the reactors' threads, worker-main.js, is not at ${places}. A bundled application leaves percore `
      + 'out of the bundle (esbuild: --external:percore), or bundles "percore/worker" as an entry of its own, places '
      + 'the result beside the bundle as worker-main.js, or sets PERCORE_WORKER_PATH to it or to '
      + 'dist/percore/worker-main.js of the installed package',
  );
}
