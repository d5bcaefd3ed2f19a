/**
 * Relief for a receive pool that is empty. Somebody could not be received from, since no buffer was free. Steps give
 * buffers back as they run, but those of lower bands may not run for long: what has waited for them is moved out of the
 * pool, so that nobody waits for it.
 */
import type { Endpoint } from './endpoint.js';
import type { IoMemory } from './io-memory.js';

/** How often one looks for arrivals to move out, and how long they must have waited. */
const RELIEF_NS = 5_000_000;

export class PoolRelief {
  /** The pool's count of waits when all was well last. */
  seenPoolWaits = 0;
  private nextNs = 0;
  private seenGivenBack = 0;

  constructor(private readonly memory: IoMemory) {}

  look(now: number, endpoints: { all(): Endpoint[] }): void {
    if (now < this.nextNs) return;
    this.nextNs = now + RELIEF_NS;
    const { memory } = this;
    const isGivenBack = memory.givenBack !== this.seenGivenBack;
    this.seenGivenBack = memory.givenBack;
    if (!memory.isPoolShort) this.seenPoolWaits = memory.poolWaits;
    // Steps run, and whoever waits is served as they do: copying gains nothing.
    if (isGivenBack) return;
    let hasYoung = false;
    for (const endpoint of endpoints.all()) if (endpoint.relieve?.(now - RELIEF_NS) === true) hasYoung = true;
    if (!hasYoung) this.seenPoolWaits = memory.poolWaits;
  }
}
