/**
 * The discipline of one scheduler: chosen, changed while it runs, replaced if it breaks its contract, and fed with what
 * it needs: times of quanta if it charges, and collections if somebody is charged.
 */
import type { PercoreError } from '../errors.js';
import { CheckedDiscipline, nameOfDiscipline } from './checked-discipline.js';
import { makeDiscipline, type BuiltInOptions, type DisciplineClock } from './choose.js';
import { watchCollections } from './collections.js';
import type { Discipline } from './discipline.js';
import { Meter, type MeterFigures } from './meter.js';
import { checkOwn } from './own-discipline.js';
import type { Ready } from './ready.js';
import type { Scheduler } from './scheduler.js';

/** What selects now: the options of a built-in discipline, or the class of a user's own. */
export type DisciplineInForce =
  | BuiltInOptions
  | { readonly kind: 'own'; readonly name: string; readonly module?: string };

export interface ControlSettings {
  readonly clock: DisciplineClock;
  readonly figures: MeterFigures;
  /** Somebody wants to know what each band uses, whatever the discipline needs. */
  readonly isMeasured: boolean;
  readonly onFault: (error: PercoreError) => void;
}

export class DisciplineControl {
  inForce: DisciplineInForce = { kind: 'strict' };
  /** Called after each change, also when a discipline was replaced because of a fault. */
  onChange: (() => void) | undefined;
  private endWatch: (() => void) | undefined;
  private latest: Discipline<Ready> | undefined;

  /** The scheduler begins with the strict discipline. */
  constructor(private readonly scheduler: Scheduler, private readonly settings: ControlSettings) {
    this.setMeter();
  }

  /** The options are checked. Takes effect with the next selection, also in the middle of a turn. */
  choose(options: BuiltInOptions): void {
    this.install(makeDiscipline(options, this.settings.clock, this.scheduler.discipline), options);
  }

  /** The same for a discipline of a user's own. Throws ERR_PERCORE_INVALID_ARGUMENT if it is not one. */
  use(own: unknown, module?: string): void {
    const discipline = checkOwn('discipline', own);
    const checked = new CheckedDiscipline(discipline, (error) => {
      // The discipline that is being replaced may show its fault when what waits is taken out of it.
      if (this.latest === checked) this.inForce = { kind: 'strict' };
      this.settings.onFault(error);
      this.onChange?.();
    });
    const name = nameOfDiscipline(discipline);
    this.install(checked, { kind: 'own', name, ...(module === undefined ? {} : { module }) });
  }

  /** Nothing is selected any more. */
  close(): void {
    this.endWatch?.();
    this.endWatch = undefined;
  }

  private install(next: Discipline<Ready>, inForce: DisciplineInForce): void {
    // Set before it is given what waits, which may already reveal a fault.
    this.inForce = inForce;
    this.latest = next;
    this.scheduler.setDiscipline(next);
    this.setMeter();
    this.onChange?.();
  }

  private setMeter(): void {
    const { scheduler, settings: { clock, figures, isMeasured } } = this;
    if (!isMeasured && scheduler.discipline.charge === undefined) {
      scheduler.meter = undefined;
      return this.close();
    }
    const meter = (scheduler.meter ??= new Meter(figures, isMeasured));
    this.endWatch ??= watchCollections(
      clock.nowNs, (beganNs, ns) => meter.collected(scheduler.discipline, beganNs, ns),
    );
  }
}
