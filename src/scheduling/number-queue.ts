/**
 * A number for each of those in a first-in-first-out queue, such as its time or deadline: a growable ring. One thread.
 */
export class NumberQueue {
  private numbers = new Float64Array(16);
  private first = 0;
  private count = 0;

  push(number: number): void {
    if (this.count === this.numbers.length) this.grow();
    this.numbers[(this.first + this.count++) & (this.numbers.length - 1)] = number;
  }

  /** The number of the first, which stays; there must be one. */
  peek(): number {
    return this.numbers[this.first]!;
  }

  /** The number of the first; there must be one. */
  shift(): number {
    const number = this.numbers[this.first]!;
    this.first = (this.first + 1) & (this.numbers.length - 1);
    this.count--;
    return number;
  }

  private grow(): void {
    const { numbers } = this;
    this.numbers = new Float64Array(numbers.length * 2);
    for (let i = 0; i < numbers.length; i++) this.numbers[i] = numbers[(this.first + i) & (numbers.length - 1)]!;
    this.first = 0;
  }
}
