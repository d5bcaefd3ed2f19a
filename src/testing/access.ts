/** Accesses to words of shared memory, which are what an explorer puts in order. */

/** What an access does: `read` and `write` are plain, the others are those of `Atomics`. */
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

/** One access to one 32-bit word. */
export interface Access {
  /** What is done. */
  readonly verb: Verb;
  /** The index of the word, counted through all buffers of the memory. */
  readonly word: number;
  /** The bits that are accessed: all of them, except for plain accesses to single bytes. */
  readonly mask: number;
  /** The value that is written, or that the operation takes. */
  readonly value: number;
  /** For compareExchange and wait: the value that the word is expected to have. */
  readonly expected: number;
}

/** What `wait` returns, as numbers. */
export const WOKEN = 0;
export const NOT_EQUAL = 1;
export const TIMED_OUT = 2;

export const isAtomic = (access: Access): boolean => access.verb !== 'read' && access.verb !== 'write';
export const isWrite = ({ verb }: Access): boolean =>
  verb !== 'read' && verb !== 'load' && verb !== 'wait' && verb !== 'notify';
export const isRead = ({ verb }: Access): boolean =>
  verb !== 'write' && verb !== 'store' && verb !== 'wait' && verb !== 'notify';

/** The content of the word after `access`, if it was `old` before. */
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

/** Whatever performs accesses. */
export interface AccessTarget {
  perform(access: Access): number;
}
