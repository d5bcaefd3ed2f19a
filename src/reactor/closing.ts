/**
 * How a runtime ends:
 *
 *      tell all to DRAIN --all quiet, or drainMs over--> tell all to LEAVE --exits, or a second over--> terminate
 *
 * It ends within `drainMs` and two seconds, whatever a reactor does. A reactor may be terminated between any two
 * instructions: its rings have no shared claims, so nothing has to be repaired.
 */
import { words } from '../layout.js';
import { native } from '../native.js';
import type { Controller } from './controller.js';
import { errorOf } from './failure.js';
import type { Member } from './member.js';
import type { CloseResult } from './runtime-events.js';
import { giveBackLanes } from './shared.js';

/** How often a closing runtime looks whether all are quiet. */
const LOOK_MS = 2;
/** A reactor that is told to leave gets this long before it is terminated, and then this long to end. */
export const LEAVE_MS = 1000;
const END_MS = 1000;
/** What a reported error names as its place. */
const ENDING = 'closing the runtime';

/** Closes a runtime. A second call returns the first one's promise, which never rejects. */
export function close(controller: Controller, drainMs: number): Promise<CloseResult> {
  return (controller.closing ??= closeInOrder(controller, drainMs));
}

async function closeInOrder(controller: Controller, drainMs: number): Promise<CloseResult> {
  const { members, main, shared } = controller;
  const diedBefore = new Set(members.filter(({ hasDied }) => hasDied));
  controller.stopWatching();
  // Whatever unref() said: whoever closes waits for it.
  controller.setHeld(true);
  for (const begin of controller.beforeClosing) begin();
  controller.tellAll(words.stop.DRAIN);
  controller.deaths.restarts.hurry();
  const isQuiet = await untilAllQuiet(controller, drainMs);
  // Includes what was accepted and not even sent, because its bucket moves.
  const undelivered = controller.figures.inFlight() + controller.figures.held();
  controller.tellAll(words.stop.LEAVE);
  await untilExits(members, LEAVE_MS);
  const late = members.filter(({ isDead }) => !isDead);
  // These run something that does not end.
  for (const member of late) member.terminate();
  const ending = endRooms(controller);
  const endMs = performance.now() + END_MS;
  if (late.length > 0) await untilExits(members, END_MS);
  await settledWithin(ending, endMs - performance.now());
  const running = late.filter(({ isDead }) => !isDead);
  for (const member of running) member.unref();
  warnOfThreads(controller);
  controller.stalls?.close();
  main.detach();
  // A thread that still runs may wake somebody later: that does nothing then, see native/waker.h.
  for (const fd of shared.eventFds) native().wakers.close(fd);
  if (running.length === 0) giveBackLanes(shared);
  const idOf = ({ id }: Member): number => id;
  const isWhole = (member: Member): boolean => !member.hasLost && (!member.hasDied || diedBefore.has(member));
  return {
    drained: isQuiet && undelivered === 0 && members.every(isWhole),
    undelivered, leftBehind: late.map(idOf), stillRunning: running.map(idOf),
  };
}

/** Waits until every thread has ended, for this long at most. */
export function untilExits(members: readonly Member[], ms: number): Promise<void> {
  return settledWithin(Promise.all(members.map(({ exited }) => exited)), ms);
}

async function settledWithin(all: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms));
  });
  await Promise.race([all, late]);
  clearTimeout(timer);
}

/**
 * Ends what rooms above this one have, and the spare thread. What fails is reported, and the others end all the same.
 */
async function endRooms(controller: Controller): Promise<void> {
  const { id } = controller.main;
  // In the next tick, since listeners may throw.
  const report = (error: unknown): void => process.nextTick(() => {
    controller.stepError(id, errorOf(error, id, ENDING), ENDING);
  });
  const all = [() => controller.spares.end(), ...controller.closers];
  await Promise.all(all.map(async (end) => end()).map((ending) => ending.catch(report)));
}

function warnOfThreads({ threadsLeft: count }: Controller): void {
  if (count === 0) return;
  process.emitWarning(
    `${count === 1 ? 'a thread' : `${count} threads`} of the offload pool did not end within a second: a task is in a `
      + 'system call that blocks, and the process cannot end before that does',
    { code: 'PERCORE_OFFLOAD_RUNS' },
  );
}

/** True when all living reactors were quiet at two looks with no message in between; false after `drainMs`. */
async function untilAllQuiet(controller: Controller, drainMs: number): Promise<boolean> {
  const { members, main } = controller;
  const endMs = performance.now() + drainMs;
  let before = '';
  for (;;) {
    const living = members.filter(({ isDead }) => !isDead).map((member) => controller.figures.statusOf(member));
    if (living.length === 0) return false;
    // A reactor in the middle of a long quantum still shows what it showed before it: what it was sent must have been
    // taken too. What was sent to a dead one is never taken.
    const isTaken = living.length < members.length || controller.figures.inFlight() === 0;
    const isQuiet = isTaken && living.every(({ state }) => state === 'quiet') && main.isQuiet();
    const now = isQuiet ? living.map(({ sent, received }) => `${sent}/${received}`).join() : '';
    if (now !== '' && now === before) return true;
    if (performance.now() >= endMs) return false;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
