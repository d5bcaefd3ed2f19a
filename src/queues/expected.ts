/** What native threads tell this one of, which sleep for it: that a bell was rung, or that a process has ended. */
import { mappings } from './queue-file.js';

/** What they have been asked for, by token. */
const expected = new Map<number, () => void>();
let lastToken = 0;
let isOpen = false;

/** A token for one thing that is to be told; `then` is called when it is, once. */
export function expect(then: () => void): number {
  if (!isOpen) {
    mappings().open((token) => {
      const told = expected.get(token);
      expected.delete(token);
      told?.();
    });
    isOpen = true;
  }
  do lastToken = (lastToken % 0x7fff_fffe) + 1;
  while (expected.has(lastToken));
  expected.set(lastToken, then);
  return lastToken;
}

/** It is not waited for any more. */
export function expectNoMore(token: number): void {
  expected.delete(token);
}
