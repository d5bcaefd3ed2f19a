/** Notes when it runs its first message, and dies when it is told to. */
import type { Reactor } from 'percore';

export interface Tasks {
  note: number;
  die: number;
}

export default function start(reactor: Reactor<{ tasks: Tasks }>, memory: SharedArrayBuffer): void {
  const count = new Int32Array(memory, 0, 1);
  const cameNs = new BigInt64Array(memory, 8, 1);
  reactor.spawn({ name: 'note' }, () => {
    Atomics.store(cameNs, 0, process.hrtime.bigint());
    Atomics.add(count, 0, 1);
  });
  reactor.spawn({ name: 'die' }, () => process.exit(0));
}
