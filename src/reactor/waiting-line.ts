/**
 * Those who wait for room in one lane or mailbox, in the order in which they came.
 *
 *      refused --wait--> in line --room for its own record--> called, or made ready
 *                           \--take back (another refuser had room first)--> gone
 *
 * Each is called as soon as there is room for what it was refused, and no sooner. Nobody overtakes: while somebody
 * waits, only room that was promised to those who were called is given out. A callback that throws is counted and
 * reported, and does not affect the others.
 *
 * No wake-up is lost, because whoever finds no room has asked to be told before it looked: `ask` sets the wish, then
 * looks. A line that has not asked since somebody joined it, or since it was told that there may be room, is *stale*:
 * its party looks at it before the turn ends.
 */
import { AWAIT_ROOM, type Refuser } from '../refusals.js';

export interface WaitingHost {
  /** Call my `admit` before this thread sleeps: somebody joined me, or there may be room. */
  markStale(line: WaitingLine): void;
  /** Which task or handler runs now, for the report of a callback that throws. */
  whoRuns(): string;
  reportThrown(error: unknown, where: string): void;
}

/** What a line needs of the lane or mailbox that it belongs to. */
export interface Room {
  /** True when `units` would be taken now. False: `mayHaveRoom` is called once there may be more room than now. */
  askForRoom(units: number): boolean;
  /** Room that a record of `needed` takes. */
  unitsOf(needed: number): number;
  /** True when nobody will ever take anything, so that nobody need wait. */
  isOver(): boolean;
  /** For reports: 'the lane to reactor 1'. */
  describe(): string;
}

/** A record that has to precede what somebody waits to send, such as the name that it is for. */
export interface Ahead {
  readonly needed: number;
  /** Sends it; there is room for it now. Another may have done so meanwhile. */
  send(): void;
}

interface Waiter {
  readonly needed: number;
  /** Sent at the head of the line, as soon as there is room for it; then the wait is for `needed` alone. */
  ahead: Ahead | undefined;
  readonly goOn: () => void;
  /** A task is made ready and takes its room later; a callback takes it at once or not at all. */
  readonly takesLater: boolean;
  readonly who: string;
  isGone: boolean;
}

/** How many gaps a line may have before they are closed. */
const MOST_GONE = 32;

export class WaitingLine implements Refuser {
  /** Those who wait. */
  count = 0;
  isStale = false;
  /** True while its party knows that somebody waits here; only the party writes it. */
  isListed = false;
  /** Room that was given to those who were made ready, and is not used yet. */
  private promised = 0;
  private waiters: Waiter[] = [];
  private first = 0;
  /** Waiters behind `first` that have withdrawn. */
  private gone = 0;

  /**
   * `share` is the room that a waiter gets at once, if its own record needs less. Record by record, the two sides of a
   * full lane would go in step.
   */
  constructor(private readonly host: WaitingHost, private readonly room: Room, private readonly share = 0) {}

  /**
   * Calls `then` once, in a later turn, as soon as there is room for `needed`, or nobody will ever take anything. It
   * uses the room at once.
   */
  whenRoom(needed: number, then: () => void, ahead?: Ahead): void {
    this.join({ needed, ahead, goOn: then, takesLater: false, who: this.host.whoRuns(), isGone: false });
  }

  /**
   * The same for somebody who is made ready by `then` and uses the room later. Returns a function that withdraws the
   * wish.
   */
  [AWAIT_ROOM](needed: number, then: () => void, ahead?: Ahead): () => void {
    const waiter: Waiter = { needed, ahead, goOn: then, takesLater: true, who: '', isGone: false };
    this.join(waiter);
    return () => {
      if (waiter.isGone) return;
      waiter.isGone = true;
      this.count--;
      this.gone++;
      if (this.gone > MOST_GONE && this.gone > this.count) this.close();
      // Whoever comes next may need less.
      this.mayHaveRoom();
    };
  }

  /** True if `units` may be taken by the caller although others wait: they were promised to one who was called. */
  lets(units: number): boolean {
    if (units > this.promised) return false;
    this.promised -= units;
    return true;
  }

  /** The other side has made room, or is gone. */
  mayHaveRoom(): void {
    if (this.isStale || this.count === 0) return;
    this.isStale = true;
    this.host.markStale(this);
  }

  /** What was promised has been used or is not wanted: those who were called have had their turn. */
  forgetPromises(): void {
    this.promised = 0;
  }

  /**
   * Calls those at the head of the line for whom there is room. Afterwards the line has asked for room, or is still
   * stale.
   */
  admit(): void {
    this.isStale = false;
    // A callback that waits again stands behind those, and comes with the next look.
    let left = this.waiters.length - this.first;
    while (left > 0 && this.count !== 0) {
      const waiter = this.waiters[this.first]!;
      if (waiter.isGone) {
        this.gone--;
      } else {
        if (!this.hasRoomFor(waiter.ahead ?? waiter)) return;
        if (waiter.ahead !== undefined) {
          waiter.ahead.send();
          waiter.ahead = undefined;
          continue;
        }
      }
      // Before the call, in which others may leave this line, so that its gaps are closed.
      this.first++;
      left--;
      if (!waiter.isGone) this.call(waiter);
    }
    this.close();
  }

  private hasRoomFor({ needed }: { needed: number }): boolean {
    if (this.room.isOver() || this.room.askForRoom(this.promised + this.given(needed))) return true;
    // Without the promise there may already be room, and then nobody would say so.
    if (this.promised !== 0) this.mayHaveRoom();
    if (this.first > MOST_GONE && this.first > this.count) this.close();
    return false;
  }

  private given(needed: number): number {
    return Math.max(needed, this.share);
  }

  /** Closes the gaps that those who have left the line have left in it. */
  private close(): void {
    this.waiters = this.count === 0 ? [] : this.waiters.filter((waiter, at) => at >= this.first && !waiter.isGone);
    this.first = this.gone = 0;
  }

  private call(waiter: Waiter): void {
    waiter.isGone = true;
    this.count--;
    const promised = this.promised;
    this.promised += this.room.unitsOf(this.given(waiter.needed));
    try {
      const result: unknown = waiter.goOn();
      if (result !== undefined) void this.follow(result, waiter);
    } catch (error) {
      this.reportThrown(error, waiter);
    }
    if (!waiter.takesLater) this.promised = promised;
  }

  /**
   * For a callback that is an async function, or returns a promise: a rejection is reported like what a callback
   * throws.
   */
  private async follow(result: unknown, waiter: Waiter): Promise<void> {
    try {
      await result;
    } catch (error) {
      this.reportThrown(error, waiter);
    }
  }

  private reportThrown(error: unknown, { who }: Waiter): void {
    this.host.reportThrown(error, `a whenRoom callback of ${who} for ${this.room.describe()}`);
  }

  private join(waiter: Waiter): void {
    this.waiters.push(waiter);
    this.count++;
    this.mayHaveRoom();
  }
}
