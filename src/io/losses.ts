/** What the endpoints of one thread had taken and the kernel never got. */
import type { PercoreError } from '../errors.js';

export class Losses {
  /** By errors, and by the end of the thread. */
  bytes = 0;
  /** The thread closes its endpoints: what they drop from now on nobody has chosen to drop. */
  isEnding = false;

  /**
   * An endpoint drops this many bytes. Closing it without an error is the decision of its user, who knows what waits.
   */
  note(bytes: number, error: PercoreError | undefined): void {
    if (error !== undefined || this.isEnding) this.bytes += bytes;
  }
}
