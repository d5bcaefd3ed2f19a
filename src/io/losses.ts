/** Counts what the endpoints of one thread had taken and the kernel never got. */
import type { PercoreError } from '../errors.js';

export class Losses {
  /** Bytes that were lost by errors, or because the thread ended. */
  bytes = 0;
  /** The thread closes its endpoints: from now on nobody has chosen what they drop. */
  isEnding = false;

  /**
   * Notes that an endpoint drops this many bytes. If it is closed without an error, its user has decided so, knowing
   * what waits; such bytes do not count.
   */
  note(bytes: number, error: PercoreError | undefined): void {
    if (error !== undefined || this.isEnding) this.bytes += bytes;
  }
}
