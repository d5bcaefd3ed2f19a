import { describe, expect, it } from 'vitest';
import { Bands } from './bands.js';
import { DEFAULT_BAND, type Ready } from './ready.js';
import { Scheduler, makeReady, type SchedulerHost } from './scheduler.js';

class Host implements SchedulerHost {
  timeNs = 0;
  wanted = 0;
  isInterrupted = false;
  readonly thrown: unknown[] = [];
  readonly nowNs = (): number => this.timeNs;
  wantTurn(): void { this.wanted++; }
  mustEndTurn(): boolean { return this.isInterrupted; }
  noteThrown(error: unknown): void { this.thrown.push(error); }
}

interface SetUp {
  readonly host: Host;
  readonly scheduler: Scheduler;
  /** The names of what ran. */
  readonly ran: string[];
  make(name: string, band: number, run?: () => boolean): Ready;
}

function setUp(quanta = 100): SetUp {
  const host = new Host();
  const ran: string[] = [];
  const make = (name: string, band: number, run = () => false): Ready =>
    ({ band, isReady: false, run: () => (ran.push(name), run()) });
  return { host, scheduler: new Scheduler(new Bands(), host, quanta), ran, make };
}

describe('the scheduler', () => {
  it('runs all that is ready, the highest band first, and what has more again behind its band', () => {
    const { scheduler, ran, make } = setUp();
    let left = 2;
    const twice = make('twice', 5, () => --left > 0);
    for (const ready of [make('low', 1), twice, make('once', 5)]) scheduler.schedule(ready);
    scheduler.run(Infinity);
    expect(ran).toEqual(['twice', 'once', 'twice', 'low']);
    expect(scheduler.discipline.isEmpty).toBe(true);
  });

  it('keeps what is scheduled twice once, and asks for a turn once', () => {
    const { host, scheduler, ran, make } = setUp();
    const ready = make('one', 3);
    scheduler.schedule(ready);
    scheduler.schedule(ready);
    expect(makeReady(scheduler.discipline, ready)).toBe(false);
    scheduler.run(Infinity);
    expect([host.wanted, ran]).toEqual([1, ['one']]);
  });

  it('ends when its quanta, its time, or the patience of its host is over', () => {
    const ends = [
      [3, () => undefined],
      [100, (host: Host) => (host.timeNs += 10)],
      [100, (host: Host, ran: string[]) => (host.isInterrupted = ran.length === 3)],
    ] as const;
    for (const [quanta, end] of ends) {
      const { host, scheduler, ran, make } = setUp(quanta);
      scheduler.schedule(make('endless', 3, () => (end(host, ran), true)));
      scheduler.run(30);
      expect(ran.length).toBe(3);
      expect(scheduler.discipline.isEmpty).toBe(false);
    }
  });

  it('does not schedule what is held back, until whoever holds it lets it go', () => {
    const { scheduler, ran, make } = setUp();
    const ready = make('held', 3, () => (scheduler.holdBack(), true));
    scheduler.schedule(ready);
    scheduler.run(Infinity);
    scheduler.schedule(ready);
    scheduler.run(Infinity);
    expect(ran).toEqual(['held']);
    ready.isReady = false;
    scheduler.schedule(ready);
    scheduler.run(Infinity);
    expect(ran).toEqual(['held', 'held']);
  });

  it('reports what a quantum throws, runs the others, and runs that one again', () => {
    const { host, scheduler, ran, make } = setUp();
    const fault = new Error('once');
    scheduler.schedule(make('faulty', 6, () => {
      if (host.thrown.length === 0) throw fault;
      return false;
    }));
    scheduler.schedule(make('other', 6));
    scheduler.run(Infinity);
    expect(host.thrown).toEqual([fault]);
    expect(ran).toEqual(['faulty', 'other', 'faulty']);
  });

  it('says which band runs, and the default band between turns', () => {
    const { scheduler, make } = setUp();
    const bands: number[] = [];
    for (const band of [0, 7]) scheduler.schedule(make('', band, () => (bands.push(scheduler.runningBand), false)));
    scheduler.run(Infinity);
    expect([...bands, scheduler.runningBand]).toEqual([7, 0, DEFAULT_BAND]);
  });
});
