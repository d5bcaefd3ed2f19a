/**
 * What stands for a descriptor here: a socket, listener or pipe of Node's, under a number. The numbers belong to this
 * thread. They begin above those of any system; only a descriptor that a user gave keeps its own.
 */
import { words } from '../layout.js';

export const READABLE = words.readiness.READABLE;
export const WRITABLE = words.readiness.WRITABLE;
export const READ_CLOSED = words.readiness.READ_CLOSED;
export const HANG_UP = words.readiness.HANG_UP;
export const ERROR = words.readiness.ERROR;

/** One thing that I/O is done on. */
export interface OpenThing {
  /** Called with bits of `words.readiness` whenever they may have changed; set by the source that watches the thing. */
  onChange: (bits: number) => void;
  /** What would be reported now. */
  readiness(): number;
  /** Closes it. What was written and is not yet sent is sent first. */
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

/** The number means nothing from now on. */
export function take(fd: number): OpenThing | undefined {
  const thing = things.get(fd);
  things.delete(fd);
  return thing;
}
