/** Upper bounds for figures of tasks: set while the program runs, seen by the party that records, and counted there. */
import { checkInteger, checkOptions, invalidArgument } from '../errors.js';
import { FIGURES, keptName, type FigureTable } from '../observe/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { checkBandOrClass, checkName, partyOf } from '../reactor/internal.js';
import { tablesOf } from './metrics.js';
import { MOST_BOUND_NS, type BoundsAsk } from './page-asks.js';

/** Whose figures: one task, or all tasks of a class or a priority that exist now. */
export interface SloTarget {
  /** The name of a task. Tasks whose names begin with the same 96 bytes have their figures together. */
  readonly task?: string;
  /** The name of a class that the runtime declares. */
  readonly class?: string;
  /** A band: 0 to 7. */
  readonly priority?: number;
  /** One reactor alone. If it is left out, all reactors of a runtime are meant. */
  readonly reactor?: number;
}
/** Upper bounds in nanoseconds: 1 to 2^40, or 0 to remove one. What is left out stays as it is. */
export interface SloBounds {
  /** From the moment at which it is ready to its first step. */
  readonly scheduleInNs?: number;
  /** From the same moment until it has nothing left. */
  readonly responseNs?: number;
  /** From the same moment until it calls `relieved`. */
  readonly reliefNs?: number;
  /** One step. */
  readonly runNs?: number;
}

const KEYS = FIGURES.map((name) => `${name}Ns`) as (keyof SloBounds)[];

/**
 * Sets upper bounds for figures of a task, or of all tasks of a class. Returns for how many tasks: 0 says that there is
 * no such task yet. Each value above its bound is counted in `metricsOf`, and becomes an event 'sloViolated' of the
 * runtime and a message on the channel `percore:slo` of `node:diagnostics_channel`, with its cause: at most 20 a second
 * for each reactor, as many again that are a new worst, and one at the end of a second that had more. A party takes
 * over a new bound within a millisecond of work. While there is a bound, the party remembers what has run and watches
 * its collections. Throws ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     setSlo(runtime, { task: 'orders' }, { responseNs: 500_000 });
 *     runtime.on('sloViolated', ({ task, figure, ns, cause }) => console.log(task, figure, ns, cause.kind));
 */
export function setSlo(of: Reactor | Runtime, target: SloTarget, bounds: SloBounds): number {
  const party = partyOf(of);
  const { task, class: ofClass, priority, reactor } = checkOptions(
    'target', target, ['task', 'class', 'priority', 'reactor'],
  );
  if (bounds === undefined) throw invalidArgument('bounds', bounds, `an object with ${KEYS.join(', ')}`);
  checkOptions('bounds', bounds, KEYS);
  const isBand = ofClass !== undefined || priority !== undefined;
  if ((task === undefined) !== isBand) {
    throw invalidArgument('target', target, 'an object with task, class or priority');
  }
  if (task !== undefined) checkName('target.task', task);
  const band = isBand ? checkBandOrClass({ priority, class: ofClass }, party.turn.classes) : undefined;
  if (reactor !== undefined) checkInteger('target.reactor', reactor, 0, party.shared.reactors);
  for (const key of KEYS) {
    if (bounds[key] !== undefined) checkInteger(`bounds.${key}`, bounds[key], 0, MOST_BOUND_NS);
  }
  const boundsNs = KEYS.map((key) => bounds[key] ?? -1);
  return setBounds(tablesOf(party, of), { task, band, reactor, boundsNs });
}

/** The same, for arguments that were checked. A bound of -1 stays as it is. */
export function setBounds(
  tables: readonly { readonly id: number; readonly table: FigureTable }[],
  { task, band, reactor, boundsNs }: BoundsAsk,
): number {
  const name = task === undefined ? undefined : keptName(task);
  let count = 0;
  for (const { id, table } of tables) {
    if (reactor !== undefined && reactor !== id) continue;
    for (const slot of table.slots()) {
      if (band === undefined ? slot.name !== name : slot.band !== band) continue;
      count++;
      for (const [kind, ns] of boundsNs.entries()) if (ns >= 0) table.setBound(slot, kind, ns);
    }
  }
  return count;
}
