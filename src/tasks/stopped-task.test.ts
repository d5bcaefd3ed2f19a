/** Tasks that are stopped, and the list of tasks: a real reactor whose turns the test calls itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Reactor } from '../reactor/index.js';
import { BACK_PRESSURED, CLOSED, OK } from '../result-codes.js';
import { tasksOf } from './index.js';
import { ProcessTown } from './fixtures/town.js';

let town: ProcessTown;
let reactor: Reactor;

beforeEach(() => {
  town = new ProcessTown(2);
  reactor = town.reactor(0);
});

const nextImmediate = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const stateOf = (name: string, of: Reactor = reactor) => tasksOf(of).find((task) => task.name === name);

describe('a task of spawn', () => {
  it('can be stopped: its name is free, what waits is dropped and reported, and others are not touched', async () => {
    const seen: number[] = [];
    const task = reactor.spawn<number>({ name: 'task' }, (message) => void seen.push(message));
    for (const message of [1, 2, 3]) task.send(message);
    task.stop();
    task.stop();
    expect(task.send(4)).toBe(CLOSED);
    town.rest();
    await nextImmediate();
    expect([seen, town.told()]).toEqual(
      [[], ['a message: task "task" of reactor 0 has ended; 3 messages that waited for it were dropped']],
    );
    reactor.spawn<number>({ name: 'task' }, (message) => void seen.push(message)).send(5);
    town.rest();
    expect(seen).toEqual([5]);
  });

  it('may stop itself in its step', () => {
    const seen: number[] = [];
    const task = reactor.spawn<number>({ name: 'task' }, (message) => {
      seen.push(message);
      if (message === 2) {
        task.stop();
        expect(task.send(9)).toBe(CLOSED);
        return BACK_PRESSURED;
      }
      return OK;
    });
    for (const message of [1, 2, 3, 4]) task.send(message);
    town.rest();
    expect([seen, task.depth, task.send(5)]).toEqual([[1, 2], 0, CLOSED]);
  });

  it('of bytes can be stopped too, and its name be given to another', () => {
    const seen: string[] = [];
    const spawn = (label: string) => reactor.spawnBytes({ name: 'bytes' }, ({ bytes, offset }) => {
      seen.push(`${label}${bytes[offset]}`);
      if (bytes[offset] === 2) task.stop();
    });
    let task = spawn('a');
    const address = town.reactor(1).address('bytes', { reactor: 0 });
    for (let i = 1; i <= 3; i++) address.send(Uint8Array.of(i));
    town.rest();
    expect([seen, task.send(Uint8Array.of(1))]).toEqual([['a1', 'a2'], CLOSED]);
    task = spawn('b');
    address.send(Uint8Array.of(4));
    town.rest();
    expect(seen).toEqual(['a1', 'a2', 'b4']);
  });

  it('is listed with its cursors and counters', () => {
    let isOpen = false;
    const steps = function book(message: number): number {
      if (message === 3) throw new Error('three');
      return message === 4 && !isOpen ? -5 : OK;
    };
    const task = reactor.spawn<number>({ name: 'book', priority: 5, capacity: 4 }, steps);
    for (const message of [1, 2, 3, 4]) task.send(message);
    expect(task.send(5)).toBe(BACK_PRESSURED);
    town.turn();
    expect(stateOf('book')).toEqual({
      name: 'book', kind: 'handler', state: 'ready', priority: 5, code: 'book', data: undefined, depth: 1, capacity: 4,
      cursors: { in: 4, out: 3 }, steps: 4, refused: 1, errors: 1, restarts: 0, unsettled: 0, parent: undefined,
      children: [],
    });
    isOpen = true;
    town.rest();
    expect(stateOf('book')).toMatchObject({ state: 'idle', depth: 0, cursors: { in: 4, out: 4 } });
  });
});
