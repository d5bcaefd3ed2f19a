/** The third step of starting a runtime: threads run, then the option `main`, then entries, and all are waited for. */
import type { EventEmitter } from 'node:events';
import { PercoreError } from '../errors.js';
import { close } from './closing.js';
import { keepCode } from './own-code.js';
import { showRefusal } from '../realtime/internal.js';
import type { Controller } from './controller.js';
import { takeUp } from './disciplines.js';
import type { Member } from './member.js';
import type { RuntimeEvents } from './runtime-events.js';

/** How many members an error names. */
const SHOWN = 8;

/**
 * Starts all reactors and runs `main`. Resolves when it and every entry have run. Rejects if one failed, or took longer
 * than `startTimeoutMs`, after all were ended.
 */
export async function start(
  controller: Controller, events: EventEmitter<RuntimeEvents>, main: () => unknown,
): Promise<void> {
  const { members, main: party, settings } = controller;
  let timer: NodeJS.Timeout | undefined;
  let isMainReady = false;
  try {
    controller.startMembers(events);
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(startedTooLate(controller, isMainReady)), settings.startTimeoutMs);
    });
    // Begins anew whenever a reactor comes closer: two hundred of them on two CPUs need a minute, and none is stuck.
    controller.onProgress = () => void timer?.refresh();
    // A reactor that was ready and dies before the others are would otherwise be missing silently: nobody has the
    // runtime to listen to yet.
    const deaths = members.map((member) => member.exited.then(() => Promise.reject(member.deathWhileStarting())));
    const runMain = async (): Promise<void> => {
      if (settings.discipline.kind === 'own') await takeUp(party.turn.disciplines, settings.discipline);
      await main();
      isMainReady = true;
      // An entry that asks for what the main thread does not handle would wait for ever, since createRuntime waits for
      // the entry. Messages go on waiting.
      party.dispatcher.releaseCalls();
    };
    await Promise.race([Promise.all([runMain(), ...members.map(({ ready }) => ready)]), late, ...deaths]);
    controller.isStarted = true;
    if (!controller.isSimulated) keepCode();
    // What entries have sent to tasks that are made right after this has resolved waits for them.
    setImmediate(() => party.dispatcher.release());
    warnOfRefusals(controller);
    controller.watch();
    controller.stalls?.begin();
    controller.spares.keep();
  } catch (error) {
    const { stillRunning } = await close(controller, 0);
    if (stillRunning.length > 0 && error instanceof PercoreError) {
      const threads = stillRunning.join(', ');
      error.message += `. The thread of reactor ${threads} still runs: it is in a system call that blocks, or the `
        + 'machine is very busy';
    }
    throw error;
  } finally {
    clearTimeout(timer);
    controller.onProgress = undefined;
  }
}

function startedTooLate({ settings, members, main }: Controller, isMainReady: boolean): PercoreError {
  const { entry, startTimeoutMs } = settings;
  const about = { argument: 'startTimeoutMs', value: startTimeoutMs };
  if (!isMainReady) {
    const message = `the option main did not return or settle within ${startTimeoutMs} ms. `
      + 'Does it await something that never comes? Raise startTimeoutMs if it needs longer';
    return new PercoreError('ERR_PERCORE_TIMEOUT', message, about);
  }
  const late = members.filter(({ isReady }) => !isReady);
  // The others may only have been slow: the machine was busy, or one waits for another.
  const stuck = late.filter(({ hasBegun }) => hasBegun);
  const named: readonly Member[] = stuck.length > 0 ? stuck : late;
  const shown = named.slice(0, SHOWN).map(({ id }) => `reactor ${id}`).join(', ');
  const others = named.length > SHOWN ? ` and ${named.length - SHOWN} others` : '';
  const { awaitedTask } = main.dispatcher;
  const held = awaitedTask === undefined ? ''
    : ` A message for the task "${awaitedTask}" of the main thread waits for that task, and calls that were sent `
      + 'after it wait behind it: '
      + 'make it in the option main, before entries run.';
  const why = stuck.length > 0
    ? `the entry ${entry} neither returned nor threw. Does it await something that never comes, or loop?${held} `
      + 'Raise startTimeoutMs if it needs longer'
    : `the thread has not come as far as the entry ${entry}. Raise startTimeoutMs on a machine as busy as this one`;
  const message = `${shown}${others} did not start within ${startTimeoutMs} ms: ${why}`;
  return new PercoreError('ERR_PERCORE_TIMEOUT', message, { ...about, reactorId: named[0]?.id });
}

/** A CPU or a policy that the user named and did not get is easily overlooked in status(). */
function warnOfRefusals({ settings, members }: Controller): void {
  for (const { id, grants, policy } of members) {
    for (const refusal of settings.isPinnedByList ? grants?.refusals ?? [] : []) {
      if (refusal.startsWith('pin ')) process.emitWarning(`reactor ${id}: ${refusal}`, { code: 'PERCORE_PIN_REFUSED' });
    }
    if (policy?.refusal === undefined) continue;
    process.emitWarning(`reactor ${id}: ${showRefusal(policy.asked, policy.refusal)}`, {
      code: 'PERCORE_POLICY_REFUSED',
    });
  }
}
