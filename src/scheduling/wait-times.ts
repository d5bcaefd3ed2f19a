/** Since when each of those in a first-in-first-out queue has waited: a growable ring of times. One thread. */
export class WaitTimes {
  private times = new Float64Array(16);
  private first = 0;
  private count = 0;

  push(ns: number): void {
    if (this.count === this.times.length) this.grow();
    this.times[(this.first + this.count++) & (this.times.length - 1)] = ns;
  }

  /** Of the first of them; there must be one. */
  shift(): number {
    const ns = this.times[this.first]!;
    this.first = (this.first + 1) & (this.times.length - 1);
    this.count--;
    return ns;
  }

  private grow(): void {
    const { times } = this;
    this.times = new Float64Array(times.length * 2);
    for (let i = 0; i < times.length; i++) this.times[i] = times[(this.first + i) & (times.length - 1)]!;
    this.first = 0;
  }
}
