/** Those who leave a line while it is looked at: nobody is left behind, and nobody is forgotten later. */
import { expect, it } from 'vitest';
import { Steps } from './steps.js';
import { AWAIT_ROOM } from '../refusals.js';
import { WaitingLine } from './waiting-line.js';
import { Waits } from './waits.js';

function makeLine(
  room: { left: number }, share?: number, reported?: unknown[],
): { waits: Waits; line: WaitingLine } {
  const turn = {
    schedule: () => undefined,
    wantTurn: () => undefined,
    reportError: (error: unknown, where: string) => {
      if (reported === undefined) throw error;
      reported.push([(error as Error).message, where]);
    },
  };
  const waits = new Waits(turn, new Steps(turn));
  const line = new WaitingLine(waits, {
    askForRoom: (units) => units <= room.left,
    unitsOf: (units) => units,
    isOver: () => false,
    describe: () => 'room in a test',
  }, share);
  return { waits, line };
}

it('is looked at again for those who come after its last waiters have left it', () => {
  const room = { left: 2 };
  const { waits, line } = makeLine(room);
  // One that waits twice in one line, as a step does that two records of one lane were refused.
  const takeBack: (() => void)[] = [];
  const goOn = (): void => {
    for (const end of takeBack) end();
  };
  takeBack.push(line[AWAIT_ROOM](1, goOn), line[AWAIT_ROOM](2, goOn));
  line.whenRoom(1, () => undefined);
  waits.look(false);
  expect(line.count).toBe(0);
  let called = 0;
  line.whenRoom(1, () => called++);
  waits.look(false);
  expect(called).toBe(1);
});

it('calls everybody who stays when many leave it from within a call', () => {
  const room = { left: 100 };
  const { waits, line } = makeLine(room);
  const takeBack: (() => void)[] = [];
  const called: number[] = [];
  for (let i = 0; i < 50; i++) {
    takeBack.push(line[AWAIT_ROOM](1, () => {
      called.push(i);
      if (i === 0) for (const end of takeBack.slice(2, 46)) end();
    }));
  }
  waits.look(false);
  expect(called).toEqual([0, 1, 46, 47, 48, 49]);
  expect(line.count).toBe(0);
});

it('gives whoever has waited a share of the room at once, and keeps the others out of it', () => {
  const room = { left: 3 };
  const { waits, line } = makeLine(room, 4);
  const taken: string[] = [];
  const take = (who: string): void => {
    while (line.lets(1)) {
      taken.push(who);
      room.left--;
    }
  };
  line.whenRoom(1, () => take('first'));
  line[AWAIT_ROOM](6, () => taken.push('a task that needs more than a share'));
  line.whenRoom(1, () => take('third'));
  waits.look(true);
  expect(taken, 'less than a share is free').toEqual([]);
  room.left = 4;
  waits.look(true);
  expect(taken).toEqual(['first', 'first', 'first', 'first']);
  room.left = 9;
  waits.look(true);
  expect(taken.slice(4), 'six of the nine are promised to the task').toEqual(['a task that needs more than a share']);
  expect(line.lets(6)).toBe(true);
  room.left = 4;
  waits.look(true);
  expect(taken.slice(5)).toEqual(['third', 'third', 'third', 'third']);
});

it('sends what goes ahead at the head of the line, and calls when the record itself fits', () => {
  const room = { left: 3 };
  const { waits, line } = makeLine(room);
  const events: string[] = [];
  line.whenRoom(5, () => events.push('record'), { needed: 3, send: () => events.push('name') });
  line.whenRoom(1, () => events.push('behind it'));
  waits.look(false);
  expect(events).toEqual(['name']);
  room.left = 5;
  line.mayHaveRoom();
  waits.look(true);
  expect(events).toEqual(['name', 'record', 'behind it']);
});

it('tells what the promise of a callback rejects with, as what one throws', async () => {
  const reported: unknown[] = [];
  const { waits, line } = makeLine({ left: 5 }, undefined, reported);
  line.whenRoom(1, async () => {
    await Promise.resolve();
    throw new Error('later');
  });
  line.whenRoom(1, () => Promise.reject(new Error('at once')));
  waits.look(false);
  await new Promise((resolve) => setImmediate(resolve));
  const where = expect.stringContaining('a whenRoom callback') as string;
  expect(reported).toHaveLength(2);
  expect(reported).toEqual(expect.arrayContaining([['later', where], ['at once', where]]));
});
