/**
 * Figures of each reactor in shared memory, so that INFO, asked in any of them, tells of all without a message. Each
 * reactor writes its own row only and the others read it: a figure may be a moment old, never torn, since a double is
 * written whole.
 */
const FIELDS = [
  'connectionsReceived', 'connections', 'commands', 'keys', 'expiring', 'expired', 'hits', 'misses', 'channels',
  'slowSubscribers', 'protocolErrors', 'bytesIn', 'remoteCommands', 'blocked', 'failed', 'overfull',
] as const;
export type Field = (typeof FIELDS)[number];
/** Rows are whole pairs of cache lines, or two writers would share one. */
const ROW = 16;

export class Counters {
  /** This reactor's own row: `row[at('commands')]++`. */
  readonly row: Float64Array;

  constructor(private readonly memory: SharedArrayBuffer, readonly reactors: number, id: number) {
    this.row = this.rowOf(id);
  }

  static allocate(reactors: number): SharedArrayBuffer {
    return new SharedArrayBuffer(reactors * ROW * 8);
  }

  rowOf(id: number): Float64Array {
    return new Float64Array(this.memory, id * ROW * 8, FIELDS.length);
  }

  sum(field: Field): number {
    let sum = 0;
    for (let id = 0; id < this.reactors; id++) sum += this.rowOf(id)[at(field)]!;
    return sum;
  }
}

export const at = (field: Field): number => FIELDS.indexOf(field);
