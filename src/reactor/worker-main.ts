/** The program of a reactor's thread, which belongs to that reactor alone. */
import { once } from 'node:events';
import { workerData } from 'node:worker_threads';
import { native } from '../native.js';
import { setLazyHost } from '../queues/internal.js';
import { requestGrants } from '../realtime/internal.js';
import { setErrorReporter } from '../uncaught.js';
import { forbidBlocking } from '../waiting.js';
import { importEntry } from './entry.js';
import { checkBuild, type OwnBuild } from './own-build.js';
import { runReactor, type WorkerReport, type WorkerStart } from './reactor-thread.js';
import type { SpareStart, SpareTaken } from './threads.js';

/** Begins at once, or, in a spare thread, when a reactor has died. */
async function startOf(given: WorkerStart | SpareStart): Promise<WorkerStart> {
  if (!('spare' in given)) return given;
  native();
  const [{ start, environment }] = await once(given.spare, 'message') as [SpareTaken];
  given.spare.close();
  takeEnvironment(environment);
  // Whoever asks what this thread was started with sees the reactor's data.
  return Object.assign(given, start);
}

/** What has changed since this thread was started, as a thread that is started now would see it. */
function takeEnvironment(environment: SpareTaken['environment']): void {
  const { env } = process;
  for (const name of Object.keys(env)) if (environment[name] === undefined) delete env[name];
  for (const [name, value] of Object.entries(environment)) if (env[name] !== value) env[name] = value;
}

async function run(): Promise<void> {
  checkBuild((workerData as { build?: OwnBuild }).build);
  const start = await startOf(workerData as WorkerStart | SpareStart);
  await runReactor(start, {
    requestGrants,
    importEntry,
    takeOver(party, opened) {
      // Queues that are opened in this thread: published lazily, flushed at the end of the step, never waited for by
      // blocking, and freed of this thread when it has ended.
      setLazyHost({
        publishEvery: start.options.publishEvery.records,
        markDirty: (producer) => party.turn.flushLater(producer),
        onOpen: (queue) => opened.note(queue),
      });
      // Callbacks that run beside the turn (rate timers, I/O and timers that the entry has created) affect only
      // themselves.
      setErrorReporter((error, where) => party.turn.reportError(error, where));
      forbidBlocking();
      // The last events are sent before the thread ends; what was thrown goes on as it would.
      process.on('uncaughtExceptionMonitor', (error: unknown) => {
        party.flight.note('uncaught', error instanceof Error ? error.message : 'a value that is no Error');
        start.reports.postMessage({ kind: 'flight', events: party.flight.events() } satisfies WorkerReport);
      });
    },
    exit: () => process.exit(0),
  });
}

// No `await` at the top: this is made into a CommonJS program too, which Node starts sooner. What is thrown ends the
// thread, whatever a flag of Node says about rejections.
run().catch((error: unknown) => process.nextTick(() => { throw error; }));
