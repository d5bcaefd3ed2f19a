/**
 * A list value: latin1 texts in a ring that doubles when it is full, so both ends cost the same and a range needs no
 * walk.
 */
const FIRST_CAPACITY = 8;

export class TextDeque {
  private texts: (string | undefined)[] = new Array<string | undefined>(FIRST_CAPACITY).fill(undefined);
  private first = 0;
  length = 0;

  unshift(text: string): void {
    if (this.length === this.texts.length) this.grow();
    this.first = (this.first - 1) & (this.texts.length - 1);
    this.texts[this.first] = text;
    this.length++;
  }

  /** Only when `length` is not 0. */
  shift(): string {
    const text = this.texts[this.first]!;
    this.texts[this.first] = undefined;
    this.first = (this.first + 1) & (this.texts.length - 1);
    this.length--;
    return text;
  }

  /** 0 to length - 1. */
  at(index: number): string {
    return this.texts[(this.first + index) & (this.texts.length - 1)]!;
  }

  private grow(): void {
    const grown = new Array<string | undefined>(this.texts.length * 2).fill(undefined);
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i);
    this.texts = grown;
    this.first = 0;
  }
}
