/**
 * How the two ends of a lane agree on names. The first message for a name is preceded by a NAME record, which gives
 * the name a small number in this lane; every later message carries the number alone. A lane keeps its order, so a
 * number is always known before it is used.
 *
 *      sender (SentNames)                    lane                          receiver (the inlet's list of HeardName)
 *      "orders" is new here: number 0        NAME 0 "orders"           ->  0: "orders", and the task once there is one
 *                                            VALUE 0 {...}             ->  0 is "orders"
 *      "orders" again                        VALUE 0 {...}             ->  0 is "orders"
 *
 * Names decide, not hashes of them: two names with one hash cannot be confused, and neither end has to know the other's
 * tables. A lane has at most MOST_NAMES numbers; beyond that another NAME record gives the oldest number to the new
 * name, so names made of keys or of what clients send cost bounded memory at both ends.
 */
import { invalidArgument } from '../errors.js';
import { AWAIT_ROOM, type Refuser } from '../refusals.js';
import type { Handler } from './calls.js';
import type { ByteTask, ValueTask } from './task.js';

/** Longest name, in UTF-16 units: it fits the shortest lane. */
const MOST_LETTERS = 256;
/** How many numbers one lane has. */
export const MOST_NAMES = 4096;

/** Throws unless `name` can be the name of a task or handler. */
export function checkName(argument: string, name: unknown): string {
  if (typeof name !== 'string' || name === '') throw invalidArgument(argument, name, 'a string that is not empty');
  if (name.length > MOST_LETTERS) throw invalidArgument(argument, name, `at most ${MOST_LETTERS} letters long`);
  return name;
}

/** A name at the sending end. */
export class SentName {
  /** Its number in this lane; below 0: the receiver has to be told first. */
  number = -1;

  constructor(readonly text: string) {}
}

/** The sending end's names. */
export class SentNames {
  private readonly byText = new Map<string, SentName>();
  private readonly byNumber: SentName[] = [];
  private next = 0;
  /** The entry that was last asked for: usually it is asked for again, and comparing costs less than looking up. */
  private last = new SentName('');

  /** The name's entry, made if there is none. Throws if it cannot be a name. */
  of(text: string): SentName {
    return text === this.last.text && text !== '' ? this.last : this.find(text);
  }

  private find(text: string): SentName {
    return (this.last = this.byText.get(text) ?? new SentName(checkName('name', text)));
  }

  /** The number that the next name gets. */
  get nextNumber(): number {
    return this.next;
  }

  /** The receiver no longer knows any of them. */
  forget(): void {
    for (const name of this.byNumber) name.number = -1;
    this.byNumber.length = this.next = 0;
    this.byText.clear();
    this.last = new SentName('');
  }

  /** The receiver is told of `name` by `nextNumber`. */
  told(name: SentName): void {
    const oldest = this.byNumber[this.next];
    if (oldest !== undefined) {
      oldest.number = -1;
      if (this.byText.get(oldest.text) === oldest) this.byText.delete(oldest.text);
    }
    name.number = this.next;
    this.byNumber[this.next] = name;
    this.byText.set(name.text, name);
    this.next = this.next + 1 === MOST_NAMES ? 0 : this.next + 1;
  }
}

/**
 * A name at the receiving end, with what it stands for once that is known: a task until it ends, or a handler for good.
 */
export class HeardName {
  task: ValueTask | ByteTask | undefined;
  handler: Handler | undefined;

  constructor(readonly text: string) {}
}

/**
 * A lane waits for this: its first record is for a name that the running entry may still give to a task or handler.
 */
export class NamesToCome implements Refuser {
  private waiting: (() => void)[] = [];

  [AWAIT_ROOM](_needed: number, then: () => void): () => void {
    this.waiting.push(then);
    return () => {
      this.waiting = this.waiting.filter((each) => each !== then);
    };
  }

  /** There is a new name, or the entry has run: those lanes are looked at again. */
  release(): void {
    for (const then of this.waiting.splice(0)) then();
  }
}
