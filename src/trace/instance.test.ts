/** Where tracefs is found. */
import { expect, it } from 'vitest';
import { findTracefs } from './instance.js';

it('says that something hides tracefs, and how to see it, where it is mounted and not there', () => {
  const mounts = 'tracefs /nowhere/at/all tracefs rw 0 0\n';
  expect(() => findTracefs(mounts)).toThrow(expect.objectContaining({
    code: 'ERR_PERCORE_NO_CAPABILITY',
    message: expect.stringMatching(/mounted at \/nowhere\/at\/all, and something .* hides it\. sudo mount -t tracefs/),
  }));
});
