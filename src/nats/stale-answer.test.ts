/** Owners and a table that answers late, after it has told of what is newer. */
import { afterEach, expect, it } from 'vitest';
import { until } from './fixtures/broker.js';
import { Owners } from './owners.js';
import { NO_ENTRY, type RangeEntry, type TableHandlers } from './table.js';

let owners: Owners | undefined;
afterEach(() => owners?.end());

it('does not believe an answer about a range that is older than what it was told meanwhile', async () => {
  let handlers: TableHandlers | undefined;
  let answer: ((entry: RangeEntry) => void) | undefined;
  const table = {
    onAnew: () => undefined, stop: () => undefined, beat: () => Promise.resolve(), sweep: () => Promise.resolve(),
    watch: (given: TableHandlers) => void (handlers = given),
    // Another is quicker, each time.
    change: () => Promise.resolve(undefined),
    ask: () => new Promise<RangeEntry>((resolve) => (answer = resolve)),
  };
  const link = {
    isOnline: true, parts: new Set(), patiently: (order: () => Promise<void>) => order(), note: () => undefined,
  };
  const settings = { name: 'late', machine: 'here', ranges: 1, leaseMs: 60_000 };
  owners = new Owners(link as never, settings as never, table as never, () => undefined);
  await owners.begin();
  const { onMachine, onRange, onSynced } = handlers!;
  onMachine('other', true);
  onMachine(owners.machine, true);
  onSynced();
  // It wants the only range, which another has taken already, so that it asks who has it.
  (owners as unknown as { look(): void }).look();
  await until(() => answer !== undefined);
  const taken = { ...NO_ENTRY, owner: 'other', epoch: 1, revision: 5 };
  onRange(0, taken);
  onRange(0, { ...taken, owner: '', revision: 7 });
  // The answer was given before the other gave the range up. With it, the range would never be free here.
  answer!(taken);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(owners.status().free).toBe(1);
});
