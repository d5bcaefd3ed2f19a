/**
 * What stands for a descriptor here: a socket, listener or pipe of Node's, under a number. The numbers are this
 * thread's; they begin above those of any system, but for a descriptor that a user has given, which keeps its own.
 */
import { words } from '../layout.js';

export const READABLE = words.readiness.READABLE;
export const WRITABLE = words.readiness.WRITABLE;
export const READ_CLOSED = words.readiness.READ_CLOSED;
export const HANG_UP = words.readiness.HANG_UP;
export const ERROR = words.readiness.ERROR;

/** One thing that I/O is done on. */
export interface OpenThing {
  /** Told bits of `words.readiness` whenever they may have changed; set by the source that watches it. */
  onChange: (bits: number) => void;
  /** What would be told now. */
  readiness(): number;
  /** Closes it. What was written and is not sent yet is sent before. */
  close(): void;
}

/** For `onChange`: nobody watches it. */
export const ignore = (): void => undefined;

const FIRST_NUMBER = 2 ** 24;
const things = new Map<number, OpenThing>();
let next = FIRST_NUMBER;

/** Gives a thing a number: a new one, or that of the descriptor that it stands for. */
export function put(thing: OpenThing, number: number = next++): number {
  things.set(number, thing);
  return number;
}

export const thingOf = (fd: number): OpenThing | undefined => things.get(fd);

/** The number means nothing from here on. */
export function take(fd: number): OpenThing | undefined {
  const thing = things.get(fd);
  things.delete(fd);
  return thing;
}
