/**
 * How a discipline reaches the thread that uses it, and how the main thread learns which one each thread uses.
 *
 *      main: MemberDiscipline.change --request--> reactor: takeUp --it selects--> report --> main: resolved
 *                                          reactor changes it by itself --> report --> main
 *
 * Requests and reports travel over the channel of reports. A report says what selects now, never what was asked for.
 */
import { pathToFileURL } from 'node:url';
import { PercoreError } from '../errors.js';
import type { Discipline, DisciplineControl, DisciplineInForce, DisciplineOptions } from '../scheduling/internal.js';
import { packError, unpackError } from './failure.js';

/** From the main thread to a reactor. */
export interface DisciplineRequest {
  readonly kind: 'discipline';
  readonly number: number;
  readonly options: DisciplineOptions;
}

/** From a reactor: what selects now, and the request that this answers, if there was one. */
export interface DisciplineReport {
  readonly kind: 'discipline';
  readonly inForce: DisciplineInForce;
  readonly number?: number;
  readonly error?: ReturnType<typeof packError>;
}

/**
 * Makes a thread select as `options` say. A module of the user's is loaded first. Rejects with ERR_PERCORE_DISCIPLINE
 * if that fails, and then nothing has changed.
 */
export async function takeUp(control: DisciplineControl, options: DisciplineOptions): Promise<void> {
  if (options.kind !== 'own') return control.choose(options);
  const module = String(options.module);
  try {
    const url = module.startsWith('/') ? pathToFileURL(module).href : module;
    const { default: make } = await import(url) as { default?: unknown };
    if (typeof make !== 'function') throw new TypeError('it has no default export that is a function');
    control.use(await (make as (data: unknown) => Discipline | Promise<Discipline>)(options.data), module);
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_DISCIPLINE',
      `the discipline of ${module} cannot be had: ${cause instanceof Error ? cause.message : String(cause)}`,
      { argument: 'discipline.module', value: module, cause },
    );
  }
}

/** The options as a status shows them: for a user's own module, its address. */
export function nameOf(options: DisciplineOptions): DisciplineInForce {
  if (options.kind !== 'own') return structuredClone(options);
  const module = String(options.module);
  return { kind: 'own', name: module, module };
}

/**
 * A reactor's side: answers requests, and reports each change. `first` resolves when it has what it was started with.
 */
export function followDiscipline(
  control: DisciplineControl, report: (message: DisciplineReport) => void, first: Promise<void>,
): (request: DisciplineRequest) => void {
  control.onChange = () => report({ kind: 'discipline', inForce: control.inForce });
  // One after the other: the one that was asked for last is what selects in the end.
  let before = first;
  return ({ number, options }) => {
    before = before.then(async () => {
      try {
        await takeUp(control, options);
        report({ kind: 'discipline', inForce: control.inForce, number });
      } catch (error) {
        report({ kind: 'discipline', inForce: control.inForce, number, error: packError(error) });
      }
    });
  };
}

/** The main thread's side of one reactor. */
export class MemberDiscipline {
  private readonly waiting = new Map<number, { resolve(): void; reject(error: Error): void }>();
  private requests = 0;
  private died: Error | undefined;

  constructor(
    private readonly id: number, public inForce: DisciplineInForce,
    private readonly send: (request: DisciplineRequest) => void,
  ) {}

  /** Resolves when the reactor uses it; rejects with the reason why it does not, or with what `close` gets. */
  change(options: DisciplineOptions): Promise<void> {
    if (this.died !== undefined) return Promise.reject(this.died);
    const number = this.requests++;
    return new Promise((resolve, reject) => {
      this.send({ kind: 'discipline', number, options });
      this.waiting.set(number, { resolve, reject });
    });
  }

  take({ inForce, number, error }: DisciplineReport): void {
    this.inForce = inForce;
    if (number === undefined) return;
    const waiter = this.waiting.get(number);
    this.waiting.delete(number);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(unpackError(error, this.id, 'the discipline'));
  }

  /** Its thread has ended. */
  close(): void {
    const { id } = this;
    this.died = new PercoreError(
      'ERR_PERCORE_REACTOR_DIED', `reactor ${id} has ended, and selects nothing any more`, { reactorId: id },
    );
    for (const waiter of this.waiting.values()) waiter.reject(this.died);
    this.waiting.clear();
  }
}
