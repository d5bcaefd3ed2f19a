/**
 * What JavaScript cannot give: rings of io_uring for files, pipes between processes as queues, and inotify. Each
 * answers as ../native/ says that a missing function answers.
 */
import type { NativeFiles, NativePipes, NativeWatches } from '../native/index.js';
import { ENOSYS } from './errno.js';

const no = (): number => -ENOSYS;
const nothing = (): void => undefined;

export const files: NativeFiles = {
  openRing: () => 'io_uring_setup: ENOSYS',
  closeRing: nothing, holdBuffer: no, releaseBuffer: nothing, push: no, submit: no, reap: () => 0,
  // Nothing tells where its memory lies, so a transfer past the page cache has no buffer here.
  bytesToBorder: no,
  clearDirect: no,
};

export const watches: NativeWatches = { open: no, add: no, remove: no };

export const pipes: NativePipes = {
  create: no, makeFifo: no, openEnd: no, read: no, write: no, space: no, reopen: no, watch: no, closeEnd: nothing,
  closeUnopenedEnd: () => false, inspect: no,
};
