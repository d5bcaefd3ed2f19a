/** One reactor's share of a command of many keys: the same bytes, other places. */
import type { Arguments } from './arguments.js';

export class Subset implements Arguments {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Which of the keys, counted from 0, these are. */
  readonly places: number[] = [];
  count = 0;

  private constructor(args: Arguments) {
    this.bytes = args.bytes;
    this.starts = new Int32Array(args.count);
    this.ends = new Int32Array(args.count);
    this.add(args, 0);
  }

  /** Splits arguments 1 and on, `step` of them to a key, by owner. Undefined where a reactor has no share. */
  static split(
    args: Arguments,
    step: number,
    reactors: number,
    ownerOf: (index: number) => number,
  ): (Subset | undefined)[] {
    const shares = new Array<Subset | undefined>(reactors).fill(undefined);
    for (let i = 1; i < args.count; i += step) {
      const owner = ownerOf(i);
      const share = (shares[owner] ??= new Subset(args));
      share.places.push((i - 1) / step);
      for (let j = i; j < i + step; j++) share.add(args, j);
    }
    return shares;
  }

  private add(args: Arguments, index: number): void {
    this.starts[this.count] = args.starts[index]!;
    this.ends[this.count++] = args.ends[index]!;
  }
}
