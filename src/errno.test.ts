import { constants } from 'node:os';
import { expect, it } from 'vitest';
import * as errno from './errno.js';
import { native } from './native.js';

it('the numbers of errors are those of this system, and native code gives them the same names', () => {
  for (const [name, number] of Object.entries(errno)) {
    expect(number, name).toBe((constants.errno as Record<string, number>)[name]);
    expect(native().system.errorName(number)).toBe(name);
  }
  expect(native().system.errorName(100_000)).toBe('UNKNOWN');
  // Where one number has two names, errorName() gives the one that Linux puts first.
  const others = ['EWOULDBLOCK', 'ENOTSUP', 'EDEADLOCK'];
  for (const [name, number] of Object.entries(constants.errno).filter(([each]) => !others.includes(each)))
    expect(native().system.errorName(number), name).toBe(name);
});
