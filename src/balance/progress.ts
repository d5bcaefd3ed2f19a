/**
 * Whether a slot that is to leave makes any progress. A step may answer AGAIN each time and keep its message, and
 * whatever lies behind it in the lane, for ever; so a move is given up if none of the slot's messages has run for so
 * long.
 */
import { PercoreError } from '../errors.js';
import { BUCKETS, SLOTS } from '../layout.js';
import type { Party } from '../reactor/internal.js';
import type { BucketTable } from './table.js';

/**
 * Calls `giveUp` once, as soon as this party has run no message of the slot for `ms` milliseconds, unless the returned
 * function was called before.
 */
export function watchProgress(
  party: Party, table: BucketTable, slot: number, ms: number, giveUp: (error: PercoreError) => void,
): () => void {
  const { taken } = table.figures[party.id]!;
  // Modulo 2^32.
  const countRun = (): number => {
    let sum = 0;
    for (let at = slot; at < taken.length; at += SLOTS) sum = (sum + taken[at]!) | 0;
    return sum;
  };
  let before = countRun();
  const look = (): void => {
    const run = countRun();
    if (run === before) return giveUp(staysBehind(slot, party.id, ms));
    before = run;
    timer = arm();
  };
  // It keeps no program running, as the move itself does not.
  const arm = (): NodeJS.Timeout => setTimeout(look, ms).unref();
  let timer = arm();
  return () => clearTimeout(timer);
}

function staysBehind(slot: number, reactorId: number, ms: number): PercoreError {
  const bucket = slot % BUCKETS;
  const message = `bucket ${bucket} did not leave reactor ${reactorId}: messages for it wait there, and none was run `
    + `for ${ms} ms. A step that answers AGAIN or BACK_PRESSURED keeps its message, and those behind it`;
  return new PercoreError('ERR_PERCORE_TIMEOUT', message, { argument: 'hookTimeoutMs', value: ms, reactorId });
}
