/**
 * Lets this many reports a second through, and says how many it has held back once the second is over. Without a limit,
 * a step that throws in a loop would flood the main thread; without the number, nobody would know that there were more.
 */

/** Reports in any second. */
const REPORTS_PER_SECOND = 20;

export class ReportLimit {
  private reports = 0;
  private timer: NodeJS.Timeout | undefined;

  /** `sayLeftOut` is called with the number of reports held back in a second, if there were any. */
  constructor(private readonly sayLeftOut: (count: number) => void) {}

  /** True when this report may be passed on. Otherwise it is counted as left out. */
  take(): boolean {
    // The second begins with its first report. Its timer does not keep the thread alive.
    this.timer ??= setTimeout(() => this.endSecond(), 1000).unref();
    return ++this.reports <= REPORTS_PER_SECOND;
  }

  private endSecond(): void {
    const leftOut = this.reports - REPORTS_PER_SECOND;
    this.reports = 0;
    this.timer = undefined;
    if (leftOut > 0) this.sayLeftOut(leftOut);
  }
}
