import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import {
  checkDiscipline, type Discipline, type DisciplineChoice, type DisciplineControl, type DisciplineOptions,
} from '../scheduling/internal.js';
import type { Controller } from './controller.js';
import { takeUp } from './disciplines.js';
import type { Member } from './member.js';
import { partyIn, type Reactor } from './reactor.js';
import { controllerIn, type Runtime } from './runtime.js';

/** Which parties `setDiscipline` means. */
export interface SetDisciplineOptions {
  /** A reactor's number, or 'main' for the main thread. Without it: all of them, and `status().discipline`. */
  readonly reactor?: number | 'main';
}

/**
 * Changes the rule that selects what runs next, while everything runs. What is ready stays ready and is neither lost
 * nor run twice; within a band its order stays. If only the numbers change (shares, weights, goals, deadlines), the
 * discipline keeps what it knows: each band keeps what it has used.
 *
 *     await setDiscipline(runtime, { kind: 'shares', shares: { audio: 8, bulk: 1 } });   // everywhere
 *     await setDiscipline(runtime, 'strict', { reactor: 1 });                            // one reactor
 *     setDiscipline(reactor, new LastComeFirst());                                       // from within, of your own
 *
 * From within a reactor it takes effect with the next selection, and you pass a discipline of your own as it is. From
 * the main thread it resolves when all that were named use it; a class of your own is named by its module, since
 * classes do not travel to threads. It rejects with ERR_PERCORE_DISCIPLINE if the discipline cannot be made, and with
 * ERR_PERCORE_REACTOR_DIED if the named reactor has ended. A reactor that is started again uses what was chosen here,
 * not what it had set itself. Throws ERR_PERCORE_INVALID_ARGUMENT. Does not block; allocates.
 */
export function setDiscipline(reactor: Reactor, discipline: DisciplineChoice | Discipline): void;
export function setDiscipline(
  runtime: Runtime, discipline: DisciplineChoice, options?: SetDisciplineOptions,
): Promise<void>;
export function setDiscipline(
  of: Reactor | Runtime, discipline: DisciplineChoice | Discipline, options?: SetDisciplineOptions,
): Promise<void> | void {
  const controller = controllerIn(of);
  if (controller !== undefined) {
    const { reactor } = checkOptions('options', options, ['reactor']);
    const checked = checkDiscipline(discipline as DisciplineChoice, controller.settings.classes);
    if (reactor === 'main') return takeUpLast(controller.main.turn.disciplines, checked);
    if (reactor === undefined) return changeAll(controller, checked);
    checkInteger('reactor', reactor, 0, controller.members.length - 1);
    const { disciplines, members } = controller;
    const number = disciplines.ask();
    // Kept for the thread that may be started in its place, once it is known to be a discipline.
    return members[reactor]!.discipline.change(checked).then(() => disciplines.note(checked, number, reactor));
  }
  const turn = partyIn(of)?.turn;
  if (turn === undefined) throw invalidArgument('reactor', of, 'a reactor, or a runtime');
  if (isOwn(discipline)) return turn.disciplines.use(discipline);
  const checked = checkDiscipline(discipline, turn.classes);
  if (checked.kind === 'own') {
    throw invalidArgument('discipline', discipline, 'the discipline itself, where it is set from within the reactor');
  }
  turn.disciplines.choose(checked);
}

/** Changes it in the main thread and in all reactors, those included that begin meanwhile. */
async function changeAll(controller: Controller, options: DisciplineOptions): Promise<void> {
  const { disciplines, main } = controller;
  const number = disciplines.ask();
  // One that comes with the package cannot fail: whoever is started from now on begins with it. What a module gives may
  // be no discipline, so whoever is started before that is known has to be told.
  if (options.kind !== 'own') disciplines.note(options, number);
  const changes: Promise<void>[] = [takeUpLast(main.turn.disciplines, options)];
  const told = new Set<Member>();
  for (;;) {
    const others = controller.members
      .filter((member) => !told.has(member) && !disciplines.isOutdone(member.id, number));
    if (others.length === 0 && changes.length === 0) break;
    for (const member of others) {
      told.add(member);
      changes.push(member.discipline.change(options).catch(unlessDead));
    }
    await Promise.all(changes.splice(0));
  }
  disciplines.note(options, number);
}

/** What the main thread takes up now, if that takes a while. */
const underWay = new WeakMap<DisciplineControl, Promise<void>>();

/** Takes it up after what was asked for before, so that what was asked for last is what selects in the end. */
function takeUpLast(control: DisciplineControl, options: DisciplineOptions): Promise<void> {
  const before = underWay.get(control);
  const change = before === undefined ? takeUp(control, options) : before.then(() => takeUp(control, options));
  const settled = change.catch(() => undefined).then(() => {
    if (underWay.get(control) === settled) underWay.delete(control);
  });
  underWay.set(control, settled);
  return change;
}

/** If all are meant, one that has ended does not count; when it is started again, it begins with what holds for all. */
function unlessDead(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ERR_PERCORE_REACTOR_DIED') throw error;
}

/** Anything with a method of a discipline is meant to be one; whether it is complete is checked when it is used. */
function isOwn(discipline: DisciplineChoice | Discipline): discipline is Discipline {
  if (typeof discipline !== 'object' || discipline === null) return false;
  try {
    const { push, select } = discipline as Partial<Discipline>;
    return typeof push === 'function' || typeof select === 'function';
  } catch {
    // A Proxy that refuses every question is refused as options.
    return false;
  }
}
