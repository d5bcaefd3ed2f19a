/**
 * The rows of tasks and of classes in the counters page. Nothing is written for a task of which nothing has changed,
 * and its percentiles only when it has new values: a turn counts steps when it ends, and records how long they took
 * when the next one begins.
 */
import {
  BANDS, PAGE_RESPONSES, pageClassLayout, pageTaskLayout, partyLayout, taskFiguresLayout, type Structure,
} from '../layout.js';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import { FIGURES, FigureTable, RESPONSE, type FigureSlot } from '../observe/internal.js';
import { partyCounters } from '../reactor/internal.js';
import { summaryOf, type FigureSummary } from './metrics.js';
import type { PageMemory, Row } from './page-rows.js';

const COUNTS = ['messages', 'refused', 'errors', 'again', 'depth'] as const;
const { recorded: recordedOfTask } = taskFiguresLayout.fields;
const { steps: stepsOfBand, stepNs, collectedNs } = partyLayout.fields;
/** Classes beyond the declared ones: one for each band. */
export const mostClasses = (declared: number): number => declared + BANDS;

export interface NamedBand {
  readonly name: string;
  readonly priority: number;
}

/** What one band has measured. */
class BandFigures {
  tasks = 0;
  readonly violations: number[] = FIGURES.map(() => 0);
  steps = 0;
  /** Values of its tasks, when the summaries were made; -1: they were not. */
  recorded = -1;
  summaries: Row = {};

  constructor(readonly band: number) {}
}

/** What is written in the place of a task. */
interface Written {
  readonly slot: FigureSlot;
  /** The head of the slot when it was written. */
  readonly head: Buffer;
}

export class TaskRows {
  readonly tables: readonly FigureTable[];
  /** For each place. A task moves on when a reactor before its own has a new one. */
  private readonly written: Written[] = [];
  private readonly bands: readonly BandFigures[] = Array.from({ length: BANDS }, (_, band) => new BandFigures(band));

  constructor(
    private readonly memory: PageMemory, private readonly inboxes: readonly SharedArrayBuffer[],
    figures: readonly SharedArrayBuffer[], private readonly classes: readonly NamedBand[],
  ) {
    this.tables = figures.map((each) => new FigureTable(each));
  }

  /** Writes all tasks from byte `at` on, at most `most` of them. Returns how many. */
  writeTasks(at: number, most: number): { count: number; leftOut: number } {
    let count = 0;
    let leftOut = 0;
    for (const [party, table] of this.tables.entries()) {
      for (const slot of table.slots()) {
        if (count === most) leftOut++;
        else this.writeTask(at + count * pageTaskLayout.bytes, count++, party, slot);
      }
    }
    return { count, leftOut };
  }

  /** Writes the declared classes, and every other band in which something has run. Returns how many. */
  writeClasses(at: number): number {
    const slots = this.tables.flatMap((table) => table.slots());
    const rows = [
      ...this.classes,
      ...Array.from({ length: BANDS }, (_, i) => BANDS - 1 - i)
        .filter((band) => !this.classes.some(({ priority }) => priority === band))
        .map((priority) => ({ name: `band ${priority}`, priority })),
    ];
    const counters = this.inboxes.map((inbox) => partyCounters(inbox));
    const sum = (field: { readonly at: number }, band: number): number =>
      counters.reduce((all, numbers) => all + numbers[(field.at >> 3) + band]!, 0);
    let count = 0;
    for (const [i, { name, priority }] of rows.entries()) {
      const figures = this.measure(priority, slots.filter(({ band }) => band === priority));
      const run = sum(stepsOfBand, priority);
      if (i >= this.classes.length && run === 0 && figures.tasks === 0) continue;
      // A message may come through the lane of another band; without figures nobody counts steps by task.
      const steps = this.tables.length === 0 ? run : figures.steps;
      this.memory.pack(pageClassLayout, at + count++ * pageClassLayout.bytes, {
        name, band: priority, tasks: figures.tasks, steps, stepNs: sum(stepNs, priority),
        collectedNs: sum(collectedNs, priority), violations: figures.violations, ...figures.summaries,
      });
    }
    return count;
  }

  /** The figures of a band, which are put together again when one of its tasks has new values. */
  private measure(band: number, slots: readonly FigureSlot[]): BandFigures {
    const figures = this.bands[band]!;
    figures.tasks = slots.length;
    for (const kind of FIGURES.keys()) {
      figures.violations[kind] = slots.reduce((all, slot) => all + slot.violations(kind), 0);
    }
    figures.steps = slots.reduce((all, slot) => all + slot.count('steps'), 0);
    const recorded = slots.reduce((all, slot) => all + slot.count('recorded'), 0);
    if (recorded === figures.recorded) return figures;
    figures.recorded = recorded;
    figures.summaries = byKind(FIGURES.map((_, kind) => {
      const sum = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
      for (const slot of slots) sum.add(slot.histograms[kind]!);
      return summaryOf(sum);
    }));
    return figures;
  }

  private writeTask(at: number, place: number, party: number, slot: FigureSlot): void {
    const { memory } = this;
    let written = this.written[place];
    const isNew = written?.slot !== slot;
    if (written === undefined || isNew) {
      this.written[place] = written = { slot, head: Buffer.alloc(slot.head.length) };
    } else if (written.head.equals(slot.head)) {
      // Most tasks have not run since, and to compare takes a twentieth of writing the same row again.
      return;
    }
    const { head } = written;
    const recordedBefore = head.readDoubleLE(recordedOfTask.at);
    // What changes from here on is seen by the next writing.
    head.set(slot.head);
    const row: Record<string, Row[string]> = {
      party, band: slot.band, name: slot.name, steps: slot.count('steps'),
      restarts: Math.max(0, slot.count('begun') - 1), boundNs: FIGURES.map((_, kind) => slot.boundNs(kind)),
      violations: FIGURES.map((_, kind) => slot.violations(kind)),
    };
    for (const name of COUNTS) row[name] = slot.count(name);
    const cause = slot.cause();
    if (cause !== undefined) row['cause'] = cause;
    if (isNew || recordedBefore !== head.readDoubleLE(recordedOfTask.at)) {
      const responses = slot.histograms[RESPONSE]!;
      const limitOf = (i: number): number => (i === PAGE_RESPONSES - 1 ? Infinity : 1024 * 4 ** i);
      Object.assign(row, {
        ...byKind(slot.histograms.map(summaryOf)),
        responses: Array.from({ length: PAGE_RESPONSES }, (_, i) =>
          responses.countBelow(limitOf(i), i === 0 ? 0 : limitOf(i - 1))),
      });
    }
    memory.pack(pageTaskLayout as Structure, at, row);
  }
}

/** Figures of each kind as a row has them: a list of numbers for each name. */
function byKind(summaries: readonly FigureSummary[]): Row {
  const names = ['count', 'minNs', 'meanNs', 'p50Ns', 'p99Ns', 'p999Ns', 'maxNs'] as const;
  return Object.fromEntries(names.map((name) => [name, summaries.map((summary) => summary[name])]));
}
