/**
 * Relief for an empty receive pool, when something could not be received because no buffer was free. Steps give buffers
 * back as they run, but steps of lower bands may not run for a long time. So arrivals that have waited long for such
 * steps are moved out of the pool, and nobody has to wait for them.
 */
import type { Endpoint } from './endpoint.js';
import type { IoMemory } from './io-memory.js';

/** How often to look for arrivals that should be moved out, and how long these must have waited. */
const RELIEF_NS = 5_000_000;

export class PoolRelief {
  /** The pool's count of waits at the time when all was well last. */
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
    // Steps run, and they serve whoever waits, so copying would gain nothing.
    if (isGivenBack) return;
    let hasYoung = false;
    for (const endpoint of endpoints.all()) if (endpoint.relieve?.(now - RELIEF_NS) === true) hasYoung = true;
    if (!hasYoung) this.seenPoolWaits = memory.poolWaits;
  }
}
