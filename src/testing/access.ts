/** One access to one word of shared memory: what a thread does in a step, and what an explorer puts in an order. */

export type Verb =
  | 'read'
  | 'write'
  | 'load'
  | 'store'
  | 'exchange'
  | 'compareExchange'
  | 'add'
  | 'sub'
  | 'and'
  | 'or'
  | 'xor'
  | 'wait'
  | 'notify';

/** One access to one 32-bit word. `read` and `write` are plain, the others those of `Atomics`. */
export interface Access {
  /** What is done. */
  readonly verb: Verb;
  /** Index into the memory's words, counted through all its buffers. */
  readonly word: number;
  /** The bits concerned; all of them except for plain accesses to single bytes. */
  readonly mask: number;
  /** What is written, or compared with. */
  readonly value: number;
  /** Of compareExchange and wait only. */
  readonly expected: number;
}

/** What `wait` answers, as a number. */
export const WOKEN = 0;
export const NOT_EQUAL = 1;
export const TIMED_OUT = 2;

export const isAtomic = (access: Access): boolean => access.verb !== 'read' && access.verb !== 'write';
export const isWrite = ({ verb }: Access): boolean =>
  verb !== 'read' && verb !== 'load' && verb !== 'wait' && verb !== 'notify';
export const isRead = ({ verb }: Access): boolean =>
  verb !== 'write' && verb !== 'store' && verb !== 'wait' && verb !== 'notify';

/** The word after `access`, when it was `old` before. */
export function wordAfter(access: Access, old: number): number {
  const { value } = access;
  switch (access.verb) {
    case 'read': case 'load': case 'wait': case 'notify': return old;
    case 'write': return (old & ~access.mask) | (value & access.mask);
    case 'store': case 'exchange': return value;
    case 'compareExchange': return old === access.expected ? value : old;
    case 'add': return (old + value) | 0;
    case 'sub': return (old - value) | 0;
    case 'and': return old & value;
    case 'or': return old | value;
    case 'xor': return old ^ value;
  }
}

/** Where accesses go. */
export interface AccessTarget {
  perform(access: Access): number;
}
