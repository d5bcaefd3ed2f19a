/** Which reactor takes and gives which ranges, so that all have about the same number: arithmetic alone. */

export interface ShareState {
  readonly own: string;
  /** All machines that are alive, including this one. */
  readonly machines: ReadonlySet<string>;
  /** The owner of each range, '' if it has none. */
  readonly owners: readonly string[];
}

export interface SharePlan {
  readonly take: readonly number[];
  readonly give: readonly number[];
}

/**
 * Each machine has between `least` and `most` ranges when all have looked. For n machines and r ranges, least is r / n
 * rounded down, and most is r / n rounded up. A machine with fewer than least goes first; any with fewer than most
 * takes what is left over. Two may want the same range: the table lets one of them have it.
 */
export function planShares({ own, machines, owners }: ShareState): SharePlan {
  const held = new Map<string, number>([...machines].map((machine) => [machine, 0]));
  const free: number[] = [];
  const mine: number[] = [];
  owners.forEach((owner, range) => {
    if (owner === own) mine.push(range);
    const count = held.get(owner);
    if (count === undefined) free.push(range);
    else held.set(owner, count + 1);
  });
  const least = Math.floor(owners.length / machines.size);
  const most = Math.ceil(owners.length / machines.size);
  const missing = [...held.values()].reduce((sum, count) => sum + Math.max(0, least - count), 0);
  if (mine.length > most) return { take: [], give: mine.slice(most) };
  if (mine.length > least && missing > free.length) return { take: [], give: mine.slice(-1) };
  const due = Math.max(0, least - mine.length);
  const spare = Math.min(Math.max(0, free.length - missing), most - Math.max(least, mine.length));
  // Each begins elsewhere, so that two seldom want the same range.
  const first = ([...machines].sort().indexOf(own) * least) % owners.length;
  const inTurn = [...free.filter((range) => range >= first), ...free.filter((range) => range < first)];
  return { take: inTurn.slice(0, due + spare), give: [] };
}
