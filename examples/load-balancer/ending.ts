/** The orderly end: read no more, work what was read, hand out what was worked. */
import type { PercoreError, Runtime } from 'percore';
import type { JobCounters } from './counters.js';
import type { JobServices } from './reactor.js';
import type { StopSignals } from './stop-signals.js';

/** How long outputs that still read have at the end. */
const FINISH_OUTPUTS_MS = 5000;
const LOOK_MS = 2;

/**
 * Stops reading, waits until every line has been worked by an owner that lives, then until the outputs have what they
 * were sent. After a signal all of it only as long as there is time: a reactor that works on one line for a minute
 * answers no call before.
 */
export async function drain(
  runtime: Runtime<{ calls: JobServices }>,
  counters: readonly JobCounters[],
  living: ReadonlySet<number>,
  signals: StopSignals,
): Promise<void> {
  const ofEach = (ask: (id: number) => Promise<void>): Promise<unknown> =>
    Promise.race([signals.timeOver, Promise.all([...living].map((id) => ask(id).catch(unlessDied)))]);
  const pause = (ms: number): Promise<unknown> =>
    Promise.race([signals.timeOver, new Promise((resolve) => setTimeout(resolve, ms))]);
  await ofEach((id) => runtime.call('stopInput', null, { reactor: id }));
  const isWorked = (): boolean =>
    [...living].every((owner) => [...living].every((reader) => isSettled(counters, reader, owner)));
  const isHandedOut = (): boolean =>
    living.size < counters.length ||
    counters.every((one, from) => counters.every((to, id) => one.resultRecordsTo(id) === to.resultRecordsFrom(from)));
  while (!signals.isTimeOver && (!isWorked() || !isHandedOut())) await pause(LOOK_MS);
  // What is on its way from a reactor that died cannot be counted: it has arrived when for a while nothing more is
  // worked.
  const worked = (): number => counters.reduce((sum, one) => sum + one.results(), 0);
  for (let before = -1; !signals.isTimeOver && living.size < counters.length && before !== worked();) {
    before = worked();
    await pause(50 * LOOK_MS);
  }
  await ofEach((id) => runtime.call('finishOutputs', FINISH_OUTPUTS_MS, { reactor: id }));
}

function isSettled(counters: readonly JobCounters[], reader: number, owner: number): boolean {
  for (let band = 0; band < 8; band++) {
    if (counters[reader]!.sent(owner, band) !== counters[owner]!.worked(reader, band)) return false;
  }
  return true;
}

/** A reactor that died has nothing to stop. */
function unlessDied(error: PercoreError): void {
  if (error.code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
}
