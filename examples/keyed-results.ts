/** The reading end of 25-machines.ts: takes each result once, and of each range only what its latest owner says. */
import type { NatsMessage } from 'percore/nats';

export class KeyedResults {
  readonly workers: Set<string> = new Set();
  /** Results that came behind a later one of their key. */
  late = 0;
  private readonly known = new Set<number>();
  private readonly epochs = new Map<string, number>();
  private readonly latest = new Map<number, number>();

  constructor(private readonly keys: number) {}

  get count(): number {
    return this.known.size;
  }

  take(message: NatsMessage): void {
    const range = message.header('range')!;
    const epoch = Number(message.header('epoch'));
    // Of an owner before, whose step ended after the range had gone to another. That one runs the message again.
    if (epoch < (this.epochs.get(range) ?? 0)) return;
    this.epochs.set(range, epoch);
    const [worker, text] = message.text().split(' ');
    const number = Number(text);
    // Run again, since its acknowledgement did not arrive.
    if (this.known.has(number)) return;
    this.known.add(number);
    this.workers.add(worker!);
    const key = number % this.keys;
    if (number < (this.latest.get(key) ?? 0)) this.late++;
    this.latest.set(key, number);
  }
}
