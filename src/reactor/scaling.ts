/**
 * Reactors that are emptied, added and taken away while the runtime runs.
 *
 *      absent --thread starts, entry runs--> here <--resume-- drained
 *         ^                                    \---drain------^  |
 *         └-- exit -- told to leave -- closed to all who send --┘ scale, with fewer
 *
 * All memory is there from the start (see `maxReactors`), so a new reactor needs no message with handles: its place in
 * the runtime block changes, and each party looks at that when it is summoned. A leaving reactor takes nothing along:
 * first nobody chooses it, then sends to it answer CLOSED, then every party has acted on that, and only then does it
 * go.
 */
import { PercoreError } from '../errors.js';
import { partyLayout, words } from '../layout.js';
import { limitWait, type WaitOptions } from '../waiting.js';
import { LEAVE_MS, untilExits } from './closing.js';
import type { Controller } from './controller.js';
import { errorOf } from './failure.js';
import { dropUnread } from './lane-repair.js';
import type { Member } from './member.js';
import { partyWords } from './shared.js';

/** Moves buckets with the reactors that come and go. */
export interface BucketMover {
  /**
   * Moves all buckets of a reactor, which may be dead, to those that take work. Rejects with the reason why some stay.
   */
  empty(controller: Controller, reactor: number): Promise<unknown>;
  /**
   * Moves a share of all buckets to a reactor that takes work from now on. Rejects with the reason why some of them
   * stay.
   */
  fill(controller: Controller, reactor: number): Promise<unknown>;
}

export interface ScaleOptions {
  /** The longest wait for a reactor that is taken away to become quiet: 0 to 2^31 - 1 ms, default 5,000. */
  drainMs?: number;
}

export interface ScaleResult {
  /** Reactors that there are now. */
  readonly reactors: number;
  /** Messages that the leaving reactors were sent and had not run when `drainMs` was over. */
  readonly undelivered: number;
}

/** What a reported error names as its place. */
const MOVING = 'moving buckets';
/** How often it looks whether a reactor is quiet: at first so often, later less, since each look wakes that reactor. */
const LOOK_MS = 2;
const MOST_LOOK_MS = 50;
/** One that has waited for so many times as long does not mind to wait for that long. */
const PATIENCE = 20;
let mover: BucketMover = { empty: () => Promise.resolve(), fill: () => Promise.resolve() };
/** Set by the room of buckets, when its module is loaded: that room lies above this one. */
export const setBucketMover = (given: BucketMover): void => void (mover = given);

const PHASE = partyLayout.fields.phase.at >> 2;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when reactor `id` takes no new work, its buckets have gone to others, and it has run what it had. */
export function drain(controller: Controller, id: number, options: WaitOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    checkOpen(controller, `drain(${id})`);
    setDrained(controller, id, true);
    let isOver = false;
    const isEnded = (): boolean => isOver || controller.closing !== undefined;
    const end = limitWait(options, `reactor ${id} was not quiet`, (reason) => {
      isOver = true;
      reject(reason);
    }, undefined, id);
    // A thread that nobody can end may never be quiet: whoever closes the runtime ends the wait.
    // Whatever its end has made of a move: whoever closes is told that it is closed.
    const stillOpen = (): void => checkOpen(controller, `drain(${id})`);
    mover.empty(controller, id).then(() => untilReactorQuiet(controller, id, isEnded)).catch((error: unknown) => {
      stillOpen();
      throw error;
    }).then(stillOpen).then(resolve, reject).finally(end);
  });
}

/** It takes work again, and gets its buckets back, one after the other. */
export function resume(controller: Controller, id: number): void {
  checkOpen(controller, `resume(${id})`);
  setDrained(controller, id, false);
  void fill(controller, id);
}

/** One after the other, in the order of the calls. */
export function scale(controller: Controller, count: number, drainMs: number): Promise<ScaleResult> {
  const next = controller.scaling.then(async () => {
    checkOpen(controller, `scale(${count})`);
    const now = controller.members.length;
    if (count > now) await grow(controller, now, count);
    let undelivered = 0;
    while (controller.members.length > count) undelivered += await shrink(controller, drainMs);
    return { reactors: controller.members.length, undelivered };
  });
  controller.scaling = next.catch(() => undefined);
  return next;
}

// ---- Inside ---------------------------------------------------------------------------------------------------------

function setDrained(controller: Controller, id: number, isDrained: boolean): void {
  controller.roster.setDrained(id, isDrained, controller.deaths.isRestarting(controller.members[id]!));
}

/** Throws ERR_PERCORE_CLOSED if the runtime closes or has closed. `what` is the call, as a user wrote it. */
export function checkOpen(controller: Controller, what: string): void {
  if (controller.closing !== undefined) throw new PercoreError('ERR_PERCORE_CLOSED', `${what}: the runtime is closed`);
}

async function grow(controller: Controller, from: number, to: number): Promise<void> {
  const { startTimeoutMs } = controller.settings;
  const added: Member[] = [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const stuck = added.find(({ isReady }) => !isReady)?.id;
      const message = `reactor ${stuck} was added and its entry did not end within ${startTimeoutMs} ms`;
      const about = { argument: 'startTimeoutMs', value: startTimeoutMs, reactorId: stuck };
      reject(new PercoreError('ERR_PERCORE_TIMEOUT', message, about));
    }, startTimeoutMs);
  });
  try {
    for (let id = from; id < to; id++) added.push(controller.addMember(to));
    await Promise.race([Promise.all(added.map(({ ready }) => ready)), late]);
    // A reactor that was ready first may have ended while it waited for the others, and nobody starts it again.
    const dead = added.find(({ isDead }) => isDead);
    if (dead !== undefined) throw dead.deathWhileStarting();
  } catch (error) {
    // None of them, if one fails.
    for (const member of added) member.terminate();
    await untilEnded(controller, added, `scale(${to})`);
    // What their entries have sent to each other, and what they were answered.
    for (const { id } of added) dropUnread(controller.shared, id);
    while (controller.members.length > from) controller.forgetMember();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  checkOpen(controller, `scale(${to})`);
  controller.roster.setCount(to);
  for (const { id } of added) for (const welcome of controller.welcomers) welcome(id);
  for (const { id } of added) await fill(controller, id);
}

/** Its share of the buckets. What cannot move stays where it is, and is reported. */
function fill(controller: Controller, id: number): Promise<unknown> {
  return mover.fill(controller, id).catch((error: unknown) => tellStaying(controller, id, error));
}

function tellStaying(controller: Controller, id: number, error: unknown): void {
  if (controller.closing === undefined) controller.stepError(id, errorOf(error, id, MOVING), MOVING);
}

/** Takes the last reactor away. Resolves with the number of messages that it had not run. */
async function shrink(controller: Controller, drainMs: number): Promise<number> {
  const { id } = controller.members.at(-1)!;
  const endMs = performance.now() + drainMs;
  const isPast = (ms: number): boolean => performance.now() >= ms || controller.closing !== undefined;
  const isOver = (): boolean => isPast(endMs);
  // Whoever goes on sending to it keeps it from ever being quiet: the other half is for what it has when it is closed.
  const isHalfOver = (): boolean => isPast(endMs - drainMs / 2);
  controller.roster.setCount(id);
  setDrained(controller, id, true);
  let areEmptied = false;
  void mover.empty(controller, id).catch((error: unknown) => tellStaying(controller, id, error))
    .then(() => void (areEmptied = true));
  while (!areEmptied && !isHalfOver()) await sleep(LOOK_MS);
  await untilReactorQuiet(controller, id, isHalfOver).catch(() => undefined);
  controller.roster.shareOut(id);
  // From now on senders get CLOSED, and everything that was sent before is there once all have seen that.
  controller.roster.leave(id);
  const haveSeen = (): boolean => controller.roster.haveSeen(
    controller.members.filter(({ isDead, isReady }) => isReady && !isDead).map((member) => member.id),
  );
  while (!haveSeen() && !isOver()) await sleep(LOOK_MS);
  await untilReactorQuiet(controller, id, isOver).catch(() => undefined);
  // From here on no thread is started in its place.
  controller.deaths.cancelRestart(id);
  const member = controller.members[id]!;
  controller.tell(id, words.stop.DRAIN);
  const party = partyWords(controller.shared.inboxes[id]!);
  // Pairs with setPhase().
  while (!member.isDead && Atomics.load(party, PHASE) !== words.phase.QUIET && !isOver()) await sleep(LOOK_MS);
  checkOpen(controller, `scale(${id})`);
  const held = controller.figures.held(id);
  controller.tell(id, words.stop.LEAVE);
  await untilExits([member], LEAVE_MS);
  if (!member.isDead) {
    member.error ??= didNotLeave(id);
    member.terminate();
  }
  await untilEnded(controller, [member], `scale(${id})`);
  // What could not move before goes to the others without its state, as after a death.
  await mover.empty(controller, id).catch((error: unknown) => tellStaying(controller, id, error));
  const undelivered = held + dropUnread(controller.shared, id);
  controller.tell(id, words.stop.RUN);
  controller.forgetMember();
  return undelivered;
}

/**
 * Resolves when the threads have ended, however long that takes: nobody may come in their places before, since the end
 * of a thread repairs the lanes of its place. It waits for a system call, and for a start on a busy machine.
 */
async function untilEnded(controller: Controller, members: readonly Member[], what: string): Promise<void> {
  while (members.some(({ isDead }) => !isDead)) {
    checkOpen(controller, what);
    await sleep(LOOK_MS);
  }
}

/** Resolves when reactor `id` has nothing to run at two looks with no message in between, or `isOver` says so. */
async function untilReactorQuiet(controller: Controller, id: number, isOver: () => boolean): Promise<void> {
  const beganMs = performance.now();
  const pause = (): Promise<void> => {
    const lookMs = (performance.now() - beganMs) / PATIENCE;
    return sleep(Math.min(MOST_LOOK_MS, Math.max(LOOK_MS, lookMs)));
  };
  let before = '';
  while (!isOver() && controller.members[id] !== undefined) {
    const member = controller.members[id];
    if (member.isDead && !controller.deaths.isRestarting(member)) {
      throw new PercoreError('ERR_PERCORE_REACTOR_DIED', `reactor ${id} died while it was drained`, { reactorId: id });
    }
    // A reactor that runs an endless step never answers, and is asked once.
    let isQuiet: boolean | undefined;
    const isAsked = member.isReady && !member.isDead;
    const answer = isAsked ? member.isQuiet().then((is) => void (isQuiet = is)) : void (isQuiet = false);
    while (isQuiet === undefined && !isOver()) await Promise.race([answer, pause()]);
    const { sent, received, generation, lanes } = controller.figures.statusOf(controller.members[id] ?? member);
    const now = isQuiet === true && lanes.backlogBytes === 0 ? `${generation}: ${sent}/${received}` : '';
    if (now !== '' && now === before) return;
    before = now;
    // The second look of two follows soon.
    await (now === '' ? pause() : sleep(LOOK_MS));
  }
}

const didNotLeave = (reactorId: number): PercoreError => new PercoreError(
  'ERR_PERCORE_TIMEOUT',
  `reactor ${reactorId} was taken away and did not leave within ${LEAVE_MS} ms after it was told, so its thread was `
    + 'ended in the middle of its work',
  { reactorId },
);
