/**
 * Stands in for a guest of libuv's loop outside of reactors (native/loop_guest.h): an immediate in each pass while
 * there is something to do, and a hold on the loop only while somebody asks for it.
 */
import { countOwn, Hold } from './threads.js';

export class LoopGuest {
  private readonly hold = new Hold();
  private hasImmediate = false;
  private isRunning = false;
  isClosed = false;

  /** `pass` does whatever there is to do, and returns whether it is to be called again without being asked. */
  constructor(private readonly pass: () => boolean) {}

  /** Something is there to do. */
  knock(): void {
    if (this.isRunning || this.hasImmediate || this.isClosed) return;
    this.hasImmediate = true;
    countOwn('Immediate', 1);
    setImmediate(() => this.run());
  }

  setReferenced(isReferenced: boolean): void {
    if (!this.isClosed) this.hold.set(isReferenced);
  }

  close(): void {
    this.isClosed = true;
    this.hold.set(false);
  }

  private run(): void {
    this.hasImmediate = false;
    countOwn('Immediate', -1);
    if (this.isClosed) return;
    let isBusy = true;
    this.isRunning = true;
    try {
      isBusy = this.pass();
    } finally {
      this.isRunning = false;
      // Also if it has thrown.
      if (isBusy) this.knock();
    }
  }
}
