/**
 * SIGINT and SIGTERM, from the beginning of the program to its end.
 *
 *     first    reads no more, works what was read, hands it out        at most `drainMs`
 *     second   the same, sooner                                        at most HURRY_MS from then
 *
 * What is not done by then is dropped and counted; the report comes in every case.
 */

/** What is left to a second signal's sender, who is waiting. */
const HURRY_MS = 3000;

export class StopSignals {
  /** Resolves at the first signal. */
  readonly asked: Promise<void>;
  /** Resolves when the time for an orderly end is over; never without a signal. */
  readonly timeOver: Promise<void>;
  isTimeOver = false;
  private ask!: () => void;
  private end!: () => void;
  private signals = 0;

  constructor(private readonly drainMs: number) {
    this.asked = new Promise((resolve) => (this.ask = resolve));
    this.timeOver = new Promise((resolve) => {
      this.end = () => {
        this.isTimeOver = true;
        resolve();
      };
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.onSignal());
  }

  private onSignal(): void {
    this.signals++;
    if (this.signals > 2) return;
    this.ask();
    // It keeps no program alive that has ended already.
    setTimeout(this.end, this.signals === 1 ? this.drainMs : Math.min(HURRY_MS, this.drainMs)).unref();
  }
}
