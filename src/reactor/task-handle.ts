/**
 * What `spawn` returns. A class, since V8 keeps an object that has a getter of its own as a dictionary: it takes three
 * times the memory, and each `send` looks its name up.
 */
import type { Party } from './party.js';
import type { Task } from './reactor-options.js';
import type { ValueTask } from './task.js';

export class TaskHandle implements Task<unknown> {
  readonly name: string;
  readonly #party: Party;
  readonly #task: ValueTask;

  constructor(party: Party, task: ValueTask) {
    this.name = task.name;
    this.#party = party;
    this.#task = task;
  }

  get depth(): number {
    return this.#task.depth;
  }

  send(message: unknown): number {
    return this.#task.push(message);
  }

  stop(): void {
    this.#party.removeTask(this.#task);
  }
}
