/**
 * Counts after a restart. A reactor that was started again continues its lanes and its counts, and the two do not
 * agree: what it had not published counts as sent, and the message whose step it had begun when it died does not count
 * as run. So before a slot is given away, its owner reads everything that such a reactor has sent, and makes the counts
 * equal.
 */
import { BANDS, BUCKETS } from '../layout.js';
import type { Party } from '../reactor/internal.js';
import type { BucketTable } from './table.js';
import type { Together } from './together.js';

/** What is needed of a party's room. */
interface Room {
  readonly table: BucketTable;
  readonly party: Party;
  /** Asks a party to run its own `fence` towards this one, in these bands. */
  readonly fences: Together;
  tell(to: number, order: { ask: 'rest' }, lane?: number): Promise<unknown>;
}

/** How many threads have died in the places of reactors. */
export function deathsIn({ shared, peers: { block } }: Party): number {
  let sum = 0;
  for (let id = 0; id < shared.reactors; id++) sum += block.generation(id);
  return sum;
}

/**
 * Afterwards the counts of the slot, which moves and belongs to this party, agree with what was sent by all parties
 * whose thread, or whose owner's thread, is not the first. If one dies meanwhile, `deathsIn` has grown, and it is to be
 * done again.
 */
export async function squareWithRestarted(room: Room, slot: number): Promise<void> {
  const { table, party } = room;
  const { block } = party.peers;
  const isOwnAgain = block.generation(party.id) > 0;
  await Promise.all(table.figures.map(async (figures, from) => {
    const isMain = from === party.shared.reactors;
    const bands = figures.bandsOf(Math.floor(slot / BUCKETS));
    const isAgain = isOwnAgain || (!isMain && block.generation(from) > 0);
    if (bands === 0 || !isAgain || (!isMain && block.isDead(from))) return;
    const deaths = deathsIn(party);
    try {
      await room.fences.ask(from, bands);
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_PERCORE_REACTOR_DIED') return;
      throw error;
    }
    if (deathsIn(party) === deaths) table.forget(from, slot);
  }));
}

/** Resolves when everything that this party has sent to `to` in these bands has run: a call follows it. */
export async function fence(room: Room, to: number, bands: number): Promise<void> {
  const used = Array.from({ length: BANDS }, (_, band) => band).filter((band) => (bands & (1 << band)) !== 0);
  await Promise.all(used.map((band) => room.tell(to, { ask: 'rest' }, band)));
}
