/** The program of a reactor's thread, which belongs to that reactor alone. */
import { workerData } from 'node:worker_threads';
import { setLazyHost } from '../queues/internal.js';
import { requestGrants } from '../realtime/internal.js';
import { setErrorReporter } from '../uncaught.js';
import { forbidBlocking } from '../waiting.js';
import { importEntry } from './entry.js';
import { runReactor, type WorkerStart } from './reactor-thread.js';

const start = workerData as WorkerStart;

await runReactor(start, {
  requestGrants,
  importEntry,
  takeOver(party, opened) {
    // Queues that are opened in this thread: published lazily, flushed at the end of the step, never waited for
    // standing still, and freed of this thread when it has ended.
    setLazyHost({
      publishEvery: start.options.publishEvery.records,
      markDirty: (producer) => party.turn.flushLater(producer),
      onOpen: (queue) => opened.note(queue),
    });
    // Callbacks that run beside the turn (rate timers, I/O and timers that the entry has created) cost themselves
    // alone.
    setErrorReporter((error, where) => party.turn.reportError(error, where));
    forbidBlocking();
  },
  exit: () => process.exit(0),
});
