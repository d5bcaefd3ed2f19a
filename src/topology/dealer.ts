/**
 * Deals the records of a ring out to targets, for `split`.
 *
 *      percent      each record to one target, so that of any hundred in a row each gets its share: the target with the
 *                   most credit is next, and pays a hundred for it (smooth weighted round robin, as in nginx)
 *      overlapped   a copy of each record to every target
 *
 * A target that has no room holds the record, and with it everything behind it: a slow target still gets its share. A
 * target that is gone for good (its reactor has died, or its ring is closed) is left out from then on.
 */
import { BACK_PRESSURED, CLOSED, OK } from '../queues/index.js';

/** Something to which records are dealt. */
export interface DealTarget {
  readonly about: string;
  /** OK, BACK_PRESSURED, TOO_LARGE or CLOSED. */
  send(record: unknown): number;
}

interface Seat {
  readonly target: DealTarget;
  readonly percent: number;
  credit: number;
  sent: number;
  refused: number;
  isGone: boolean;
}

/** What `show` says about a target. */
export interface SeatFigures {
  readonly to: string;
  readonly percent: number | undefined;
  readonly sent: number;
  /** Answers that there is no room. */
  readonly refused: number;
  readonly isGone: boolean;
}

export class Dealer {
  readonly #seats: readonly Seat[];
  readonly #isOverlapped: boolean;
  /** The seat that has refused its record: it is tried again first. */
  #at = -1;
  /** What those before it have answered to the copy: OK, or the code with which one refused it. */
  #answered: number = CLOSED;

  /** Leave out `percent` for copies to all. */
  constructor(targets: readonly DealTarget[], percent: readonly number[] | undefined) {
    this.#isOverlapped = percent === undefined;
    this.#seats = targets.map((target, i) => ({
      target, percent: percent?.[i] ?? 0, credit: 0, sent: 0, refused: 0, isGone: false,
    }));
  }

  /** Deals one record; returns the answer of a step. After BACK_PRESSURED it gets the same record again. */
  deal(record: unknown): number {
    return this.#isOverlapped ? this.#copy(record) : this.#share(record);
  }

  figures(): SeatFigures[] {
    return this.#seats.map(({ target, percent, sent, refused, isGone }) => ({
      to: target.about, percent: this.#isOverlapped ? undefined : percent, sent, refused, isGone,
    }));
  }

  #share(record: unknown): number {
    // Each look leaves out one target that is gone, so this ends.
    for (;;) {
      if (this.#at < 0) this.#at = this.#next();
      const seat = this.#seats[this.#at];
      if (seat === undefined) return CLOSED;
      const code = this.#give(seat, record);
      if (code === BACK_PRESSURED) return code;
      this.#at = -1;
      if (code !== CLOSED) return code;
    }
  }

  /** The seat with the most credit; the length of the list if none is left. */
  #next(): number {
    const seats = this.#seats;
    let best = seats.length;
    let total = 0;
    for (let i = 0; i < seats.length; i++) {
      const seat = seats[i]!;
      if (seat.isGone || seat.percent === 0) continue;
      seat.credit += seat.percent;
      total += seat.percent;
      if (best === seats.length || seat.credit > seats[best]!.credit) best = i;
    }
    if (best < seats.length) seats[best]!.credit -= total;
    return best;
  }

  #copy(record: unknown): number {
    for (let i = Math.max(0, this.#at); i < this.#seats.length; i++) {
      const seat = this.#seats[i]!;
      if (seat.isGone) continue;
      const code = this.#give(seat, record);
      if (code === BACK_PRESSURED) {
        this.#at = i;
        return code;
      }
      // A target that is gone is no fault while others are left.
      if (code !== CLOSED && (code !== OK || this.#answered === CLOSED)) this.#answered = code;
    }
    const answered = this.#answered;
    this.#at = -1;
    this.#answered = CLOSED;
    return answered;
  }

  #give(seat: Seat, record: unknown): number {
    const code = seat.target.send(record);
    if (code === OK) seat.sent++;
    else if (code === BACK_PRESSURED) seat.refused++;
    else if (code === CLOSED) seat.isGone = true;
    return code;
  }
}
