/** What follows from the events of a thread: each figure by itself, and what must not count. */
import { afterEach, describe, expect, it } from 'vitest';
import { FIGURES } from './figures.js';
import { formats } from './fixtures/recorded.js';
import { PageFiles, pageOfEvents, type MadeEvent } from './fixtures/page-files.js';
import { parseStates } from './event-format.js';

const ZERO_NS = 1_000_000n;
const idle = { pid: 0, priority: 120, name: 'swapper/2' };
const other = { pid: 8, priority: 80, name: 'rival' };
const self = { pid: 7, priority: 89, name: 'periodic' };
type Side = typeof idle;
const IS_HARD_INTERRUPT = 8;
const [RUNS, INTERRUPTIBLE, UNINTERRUPTIBLE] = [0, 1, 2] as const;
const PREEMPTED = parseStates(formats.switch).preempted;

const opened: PageFiles[] = [];
afterEach(() => { for (const files of opened.splice(0)) files.close(); });

/** A thread, and pages on three CPUs that tell of it, each step later than the one before. */
function follow(name = 'periodic') {
  const files = new PageFiles([1, 2, 3], ZERO_NS);
  opened.push(files);
  const thread = files.trace.follow(self.pid, 6, name, 0);
  const own = { ...self, name };
  const step = (cpu: number, ...events: readonly MadeEvent[]): void => {
    files.add(cpu, pageOfEvents(events, ZERO_NS));
    files.round();
  };
  const change = (timeNs: number, cpu: number, prev: Side, next: Side, state: number): void => step(cpu, {
    timeNs, name: 'switch',
    fields: {
      prev_pid: prev.pid, prev_prio: prev.priority, prev_comm: prev.name, prev_state: state, next_pid: next.pid,
      next_prio: next.priority, next_comm: next.name,
    },
  });
  const interrupted = (timeNs: number, at: 'irqEntry' | 'irqExit'): MadeEvent =>
    ({ timeNs, name: at, fields: { common_pid: self.pid, irq: 36 } });
  const steps = {
    waking: (ns: number, isTimer = false) => step(1, {
      timeNs: ns, name: 'waking',
      fields: {
        common_pid: other.pid, common_flags: isTimer ? IS_HARD_INTERRUPT : 0, pid: self.pid, target_cpu: 2,
      },
    }),
    comes: (ns: number, cpu = 2) => change(ns, cpu, idle, own, RUNS),
    isPreempted: (ns: number) => change(ns, 2, own, other, PREEMPTED),
    yields: (ns: number) => change(ns, 2, own, other, RUNS),
    sleeps: (ns: number, isInterruptible = true) =>
      change(ns, 2, own, idle, isInterruptible ? INTERRUPTIBLE : UNINTERRUPTIBLE),
    interrupt: (from: number, to: number) => step(2, interrupted(from, 'irqEntry'), interrupted(to, 'irqExit')),
    /** Nothing was overwritten from then on, but before that. */
    forget: (ns: number) => {
      const page = pageOfEvents([{ timeNs: ns, name: 'waking', fields: { pid: 99 } }], ZERO_NS);
      page.writeUInt32LE((page.readUInt32LE(8) | 0x8000_0000) >>> 0, 8);
      files.add(3, page);
      expect(files.round().hadHole).toBe(true);
    },
  };
  const figures = () => {
    const report = thread.report('asked', 5000);
    return FIGURES.map((figure) => {
      const { count, minNs, maxNs } = report.figures[figure];
      return count === 0 ? '-' : `${count} ${minNs} ${maxNs}`;
    });
  };
  return { thread, figures, ...steps };
}

describe('a thread that is followed', () => {
  it('has its schedule-in, its response and its relief', () => {
    const { waking, comes, sleeps, figures } = follow();
    waking(100);
    comes(130);
    sleeps(300);
    expect(figures()).toEqual(['1 30 30', '1 200 200', '-', '-']);
    // A timer has ended the sleep, so it was the end of a period.
    waking(1000, true);
    expect(figures()).toEqual(['1 30 30', '1 200 200', '1 200 200', '-']);
    comes(1010);
    sleeps(1500);
    waking(1600, false);
    comes(1700);
    expect(figures()).toEqual(['3 10 100', '2 200 500', '1 200 200', '-']);
  });

  it('that waits for a disk is not relieved, whoever wakes it', () => {
    const { waking, comes, sleeps, figures } = follow();
    waking(100);
    comes(130);
    sleeps(300, false);
    waking(400, true);
    expect(figures()).toEqual(['1 30 30', '1 200 200', '-', '-']);
  });

  it('that was preempted, or has yielded, responds later; its way back to the CPU is no schedule-in', () => {
    const { waking, comes, isPreempted, yields, sleeps, figures } = follow();
    waking(100);
    comes(130);
    isPreempted(150);
    comes(550);
    yields(560);
    comes(600);
    sleeps(650);
    expect(figures()).toEqual(['1 30 30', '1 550 550', '-', '-']);
  });

  it('that is woken while it runs goes on; one that was just going to sleep is woken by it', () => {
    const { waking, comes, isPreempted, sleeps, figures, thread } = follow();
    waking(100);
    comes(130);
    waking(140);
    sleeps(200);
    // The wake-up at 140 is forgotten by that at 300.
    waking(300);
    comes(310);
    waking(390);
    // The other CPU saw it asleep before this one had switched.
    sleeps(400);
    comes(420);
    isPreempted(430);
    waking(440);
    comes(450);
    sleeps(500);
    expect(figures()).toEqual(['3 10 30', '3 100 110', '-', '-']);
    // Who woke it then is told as of any other.
    expect(thread.report('asked', 0).figures.response.worst!.events[0]).toMatchObject({ ns: 0, prevPid: other.pid });
  });

  it('counts nothing whose beginning was not seen, at first and after a hole', () => {
    const { waking, comes, isPreempted, sleeps, forget, interrupt, figures } = follow();
    sleeps(10);
    comes(20);
    sleeps(30);
    // It ran when it was woken, so this is no wake-up.
    const running = follow();
    running.waking(100);
    running.sleeps(200);
    running.comes(300);
    running.sleeps(350);
    expect(running.figures()).toEqual(['-', '-', '-', '-']);
    forget(35);
    comes(40);
    isPreempted(50);
    comes(60);
    interrupt(61, 62);
    sleeps(70);
    expect(figures()).toEqual(['-', '-', '-', '-']);
    waking(100);
    comes(110);
    forget(150);
    sleeps(190);
    waking(200, true);
    comes(230);
    sleeps(260);
    forget(270);
    waking(300, true);
    expect(figures()).toEqual(['2 10 30', '1 60 60', '-', '-']);
  });

  it('has the sum of the interrupts that took its CPU; a handler has its own run', () => {
    const { waking, comes, sleeps, interrupt, figures, thread } = follow();
    waking(100);
    interrupt(110, 120);
    comes(130);
    interrupt(140, 150);
    interrupt(160, 167);
    sleeps(300);
    waking(400);
    comes(410);
    sleeps(420);
    expect(figures()[3]).toBe('1 17 17');
    expect(thread.report('asked', 0).figures.irq.worst!.events.map(({ event, ns, irq }) => [event, ns, irq])).toEqual([
      ['sched_waking', 0, -1], ['sched_switch', 30, -1], ['irq_handler_entry', 40, 36], ['irq_handler_exit', 50, 36],
      ['irq_handler_entry', 60, 36], ['irq_handler_exit', 67, 36], ['sched_switch', 200, -1],
    ]);
    const handler = follow('irq/36-virtio0');
    handler.waking(100);
    handler.comes(150);
    handler.sleeps(170);
    expect(handler.figures()).toEqual(['1 50 50', '1 70 70', '-', '1 20 20']);
  });

  it('counts what is above its bound, and keeps the worst case of each figure with its events', () => {
    const { thread, waking, comes, isPreempted, sleeps } = follow();
    thread.setBound('response', 100);
    for (const [ns, took] of [[1000, 100], [2000, 101], [3000, 300], [4000, 299]] as const) {
      waking(ns);
      comes(ns + 5);
      isPreempted(ns + 10);
      comes(ns + 20, 3);
      sleeps(ns + took);
    }
    const { response, 'schedule-in': scheduleIn } = thread.report('asked', 9000).figures;
    expect([response.violations, response.boundNs, scheduleIn.violations, scheduleIn.boundNs])
      .toEqual([3, 100, 0, undefined]);
    expect([response.worst!.beganNs, response.worst!.leftOut]).toEqual([1_003_000, 0]);
    const [first, second, third, fourth, last] = response.worst!.events;
    expect(first).toMatchObject({ event: 'sched_waking', ns: 0, cpu: 1, wakeCpu: 2, prevPid: 8, nextPid: 7 });
    expect(second).toMatchObject({ event: 'sched_switch', ns: 5, prevName: 'idle', nextPid: 7, nextPriority: 89 });
    expect(third).toMatchObject({ ns: 10, isPreemption: true, isVoluntary: false, nextPid: 8, nextName: 'rival' });
    expect(fourth).toMatchObject({ ns: 20, cpu: 3, isPreemption: false });
    expect(last).toMatchObject({ ns: 300, isVoluntary: true, wakeCpu: -1, irq: -1 });
    // The first of equals stays.
    expect(scheduleIn.worst!.events.length).toBe(2);
    expect(scheduleIn.worst!.beganNs).toBe(1_001_000);
  });

  it('keeps the first and the last events where there are many, and says how many are left out', () => {
    const { thread, waking, comes, isPreempted, sleeps } = follow();
    waking(0);
    for (let i = 0; i < 1000; i++) {
      comes(10 * i + 5);
      isPreempted(10 * i + 9);
    }
    comes(10_005);
    sleeps(10_010);
    const { events, leftOut } = thread.report('asked', 0).figures.response.worst!;
    expect([events.length, leftOut]).toEqual([32, 2003 - 32]);
    const times = events.map(({ ns }) => ns);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect([times[15], times[16], times[31]]).toEqual([75, 9935, 10_010]);
  });
});
