/**
 * Filters that the kernel evaluates at each event, before it is recorded. A filter that names threads one by one costs
 * more with each of them, in every switch of the whole machine, so it names only a few ranges; the threads of a process
 * have numbers that are close to each other. The reader drops whatever lies in a range but is not followed. Why not
 * `set_event_pid`: see docs/decisions/2026-11-29-kernel-events.md.
 */
const MOST_RANGES = 16;

export type Range = readonly [first: number, last: number];

/** Ranges that hold all of `numbers`, at most `most` of them: the nearest neighbours share one. */
export function rangesOf(numbers: Iterable<number>, most: number = MOST_RANGES): Range[] {
  const sorted = [...numbers].sort((a, b) => a - b);
  const gapAt = (i: number): number => sorted[i]! - sorted[i - 1]!;
  const cuts = new Set([...sorted.keys()].slice(1).filter((i) => gapAt(i) > 1)
    .sort((a, b) => gapAt(b) - gapAt(a)).slice(0, most - 1));
  const ranges: [number, number][] = [];
  for (const [i, number] of sorted.entries()) {
    if (i === 0 || cuts.has(i)) ranges.push([number, number]);
    else ranges.at(-1)![1] = number;
  }
  return ranges;
}

/** `prev_pid==5||prev_pid>=8&&prev_pid<=9`: one of `fields` lies in one of `ranges`. There is at least one range. */
export function filterOf(fields: readonly string[], ranges: readonly Range[]): string {
  return fields.flatMap((field) => ranges.map(([first, last]) =>
    (first === last ? `${field}==${first}` : `(${field}>=${first}&&${field}<=${last})`))).join('||');
}
