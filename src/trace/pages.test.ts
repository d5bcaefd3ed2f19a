/** Pages of the kernel's ring buffer, read against what the kernel printed of the same pages. */
import { afterEach, describe, expect, it } from 'vitest';
import { Histogram, HISTOGRAM_WORDS } from '../observe/index.js';
import { parseFormat, parsePageLayout, parseStates, wordOf } from './event-format.js';
import { FIGURES } from './figures.js';
import type { FollowedThread } from './kernel-trace.js';
import { dataOf, PageFiles, pageOf, pageOfEvents, type MadeEvent } from './fixtures/page-files.js';
import { formats, layout, pagesOf, recording } from './fixtures/recorded.js';

const CPUS = [0, 1];
const opened: PageFiles[] = [];
afterEach(() => { for (const files of opened.splice(0)) files.close(); });

function filesOf(cpus: readonly number[] = CPUS, zeroNs = 0n): PageFiles {
  const files = new PageFiles(cpus, zeroNs);
  opened.push(files);
  return files;
}

interface Printed {
  readonly us: number;
  readonly cpu: number;
  readonly name: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** What the kernel printed of all CPUs, in the order of time. Its times are whole microseconds. */
function printed(): Printed[] {
  const pattern = /-(\d+)\s+\[0*(\d+)\] (\S+) (\d+)\.(\d{6}): (\w+): (.*)$/;
  return recording.cpus.flatMap(({ text }) => text.split('\n').map((line) => {
    const [, , cpu, , seconds, micros, name, rest] = pattern.exec(line)!;
    const fields = new Map([...rest!.matchAll(/(?:^|\s)(\w+)=(\S+)/g)].map(([, key, value]) => [key!, value!]));
    return { us: Number(seconds) * 1e6 + Number(micros), cpu: Number(cpu), name: name!, fields };
  })).sort((a, b) => a.us - b.us);
}

interface Times {
  readonly delays: number[];
  readonly responses: number[];
}

/** Delays and responses of a thread, by plain rules: between two sleeps it is woken once, and runs to the next one. */
function timesOf(events: readonly Printed[], tid: number): Times {
  const times: Times = { delays: [], responses: [] };
  let woken = NaN;
  let isAsleep = true;
  let hasRun = false;
  for (const { us, name, fields } of events) {
    if (name === 'sched_waking' && Number(fields.get('pid')) === tid && (isAsleep || Number.isNaN(woken))) {
      if (!isAsleep) continue;
      woken = us;
      isAsleep = hasRun = false;
    }
    if (name !== 'sched_switch') continue;
    if (Number(fields.get('next_pid')) === tid) {
      if (!hasRun && !isAsleep && !Number.isNaN(woken)) times.delays.push(us - woken);
      hasRun = true;
      isAsleep = false;
    }
    if (Number(fields.get('prev_pid')) !== tid || fields.get('prev_state')!.startsWith('R')) continue;
    if (!Number.isNaN(woken)) times.responses.push(us - woken);
    woken = NaN;
    isAsleep = true;
  }
  return times;
}

/** Threads whose whole story the recording has: both CPUs' pages begin at about one time. */
function tids(events: readonly Printed[]): number[] {
  return [...new Set(events.filter(({ name }) => name === 'sched_waking')
    .map(({ fields }) => Number(fields.get('pid'))))];
}

const told = (thread: FollowedThread) => {
  const { figures } = thread.report('asked', 0);
  return FIGURES.map((figure) => [figures[figure].count, figures[figure].minNs, figures[figure].maxNs]);
};

describe('recorded pages', () => {
  it('tell of each thread what the kernel prints of them, in its times', () => {
    const files = filesOf();
    const events = printed();
    const threads = tids(events).map((tid) => files.trace.follow(tid, tid, '', 0));
    for (const cpu of CPUS) files.add(cpu, ...pagesOf(cpu));
    const ends: string[] = [];
    expect(files.round(Infinity, {
      onExit: (tid) => ends.push(`exit ${tid}`), onFork: (parent, child) => ends.push(`fork ${parent} ${child}`),
    })).toEqual({ pages: pagesOf(0).length, hadHole: true, isUrgent: false });
    expect([files.trace.events > 400, files.trace.events]).toEqual([true, events.length]);
    expect(ends).toEqual(events.flatMap(({ name, fields }) => (name === 'sched_process_fork'
      ? [`fork ${fields.get('pid')} ${fields.get('child_pid')}`]
      : name === 'sched_process_exit' && tids(events).includes(Number(fields.get('pid')))
        ? [`exit ${fields.get('pid')}`] : [])));
    let compared = 0;
    // Before that, one of the two had been overwritten.
    const sinceUs = Math.max(...CPUS.map((cpu) => events.find((event) => event.cpu === cpu)!.us));
    const known = events.filter(({ us }) => us >= sinceUs);
    for (const thread of threads) {
      const { delays, responses } = timesOf(known, thread.tid);
      const { 'schedule-in': scheduleIn, response } = thread.report('asked', 0).figures;
      for (const [figure, values] of [[scheduleIn, delays], [response, responses]] as const) {
        expect([thread.tid, figure.count]).toEqual([thread.tid, values.length]);
        if (values.length === 0) continue;
        compared += values.length;
        expect(Math.abs(figure.minNs / 1e3 - Math.min(...values))).toBeLessThanOrEqual(1);
        expect(Math.abs(figure.maxNs / 1e3 - Math.max(...values))).toBeLessThanOrEqual(1);
      }
    }
    expect(compared).toBeGreaterThan(100);
  });

  it('have a hole between them where one says that something was overwritten before it', () => {
    const whole = filesOf();
    const torn = filesOf();
    const threads = [whole, torn].map((files) => tids(printed()).map((tid) => files.trace.follow(tid, tid, '', 0)));
    whole.add(1, ...pagesOf(1));
    whole.add(0, ...pagesOf(0));
    torn.add(1, ...pagesOf(1));
    const [first, second, ...rest] = pagesOf(0);
    second!.writeUInt32LE((second!.readUInt32LE(layout.commitAt) | 0x8000_0000) >>> 0, layout.commitAt);
    torn.add(0, first!, second!, ...rest);
    for (const files of [whole, torn]) expect(files.round().hadHole).toBe(true);
    const counts = threads.map((each) => each.reduce((sum, thread) => sum + told(thread)[1]![0]!, 0));
    expect(counts[1]).toBeLessThan(counts[0]!);
    expect(counts[1]).toBeGreaterThan(0);
    expect(torn.trace.events).toBe(whole.trace.events);
  });

  it('of several CPUs are taken in the order of time, up to a given one, whenever they come', () => {
    const [atOnce, byAndBy] = [filesOf(), filesOf()];
    const all = tids(printed());
    const threads = [atOnce, byAndBy].map((files) => all.map((tid) => files.trace.follow(tid, tid, '', 0)));
    for (const cpu of CPUS) atOnce.add(cpu, ...pagesOf(cpu));
    atOnce.round();
    const pages = CPUS.map(pagesOf);
    // Each begins behind a hole.
    for (const cpu of CPUS) byAndBy.add(cpu, pages[cpu]!.shift()!);
    const startOf = (page: Buffer | undefined): number =>
      (page === undefined ? Infinity : Number(page.readBigUInt64LE(layout.timeAt)));
    while (pages.some((left) => left.length > 0)) {
      const next = startOf(pages[0]![0]) <= startOf(pages[1]![0]) ? 0 : 1;
      byAndBy.add(next, pages[next]!.shift()!);
      const before = byAndBy.trace.events;
      // What is missing is younger than the pages that are to come.
      byAndBy.round(Math.min(...pages.map((left) => startOf(left[0]))) - 1);
      expect(byAndBy.trace.events).toBeGreaterThanOrEqual(before);
    }
    byAndBy.round();
    expect(byAndBy.trace.events).toBe(atOnce.trace.events);
    expect(threads[1]!.map(told)).toEqual(threads[0]!.map(told));
    expect([byAndBy.round(), byAndBy.trace.events])
      .toEqual([{ pages: 0, hadHole: false, isUrgent: false }, atOnce.trace.events]);
  });

  it('may move the time on, set it, and hold nothing for a while', () => {
    const files = filesOf([3]);
    const thread = files.trace.follow(77, 77, '', 0);
    const waking = dataOf('waking', { pid: 77 });
    const comes = dataOf('switch', { prev_pid: 1, next_pid: 77 });
    const sleeps = dataOf('switch', { prev_pid: 77, prev_state: 1 });
    const event = (data: readonly number[], delta: number): number[] => [data.length | (delta << 5), ...data];
    files.add(3, pageOf(1000n, [
      ...event(waking, 0), 30 | (5 << 5), 2, ...event(comes, 3), 29 | (9 << 5), 8, 0xffff_ffff, ...event(sleeps, 1),
      ...event(waking, 0), 31 | (6 << 5), 16, ...event(comes, 1),
      // One whose length stands in the next word, and the rest of the page, which is nothing.
      0, 4 + 4 * sleeps.length, ...sleeps, 29, 0xffff_ffff,
    ]));
    files.round();
    const moved = 5 + 2 * 2 ** 27 + 3;
    const second = 16 * 2 ** 27 + 7 - (1000 + moved + 10);
    expect(told(thread).slice(0, 2)).toEqual([[2, moved, second], [2, moved + 10, second]]);
    expect(files.trace.events).toBe(6);
  });

  it('that are damaged, or cut short, are no way out of the page', () => {
    const files = filesOf([0]);
    const thread = files.trace.follow(77, 77, '', 0);
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 300; i++) {
      const page = Buffer.from(pagesOf(0)[i % pagesOf(0).length]!);
      for (let bits = 0; bits < 20; bits++) page[random(i % 2 === 0 ? page.length : 200)] = random(256);
      files.add(0, page);
    }
    files.round();
    expect(files.trace.events).toBeGreaterThan(1000);
    const names = thread.report('asked', 0).figures.response.worst?.events ?? [];
    expect(names.length).toBeLessThanOrEqual(32);
  });

  it('have times that their histogram counts as one of JavaScript does', () => {
    const files = filesOf([0]);
    const thread = files.trace.follow(77, 77, '', 0);
    const histogram = new Histogram(new Uint32Array(HISTOGRAM_WORDS));
    let timeNs = 0;
    const events: MadeEvent[] = [];
    for (const ns of [0, 1, 31, 32, 33, 63, 64, 1000, 4095, 4096, 65_537, 1e6, 123_456_789]) {
      histogram.record(ns);
      events.push({ timeNs, name: 'waking', fields: { pid: 77 } },
        { timeNs: timeNs += ns, name: 'switch', fields: { prev_pid: 1, next_pid: 77 } },
        { timeNs: timeNs += 5, name: 'switch', fields: { prev_pid: 77, prev_state: 1 } });
      if (histogram.count() % 4 === 0) files.add(0, pageOfEvents(events.splice(0)));
    }
    files.add(0, pageOfEvents(events));
    files.round();
    const { 'schedule-in': { count, minNs, p50Ns, p99Ns, maxNs } } = thread.report('asked', 0).figures;
    expect([count, minNs, p50Ns, p99Ns, maxNs]).toEqual([
      13, histogram.min(), histogram.percentile(0.5), histogram.percentile(0.99), histogram.max(),
    ]);
  });

  it('that are urgent, and younger than the round, are left for the next one, which the round says', () => {
    const files = new PageFiles([0], 0n, [1]);
    opened.push(files);
    files.trace.follow(77, 77, '', 0);
    const ended: number[] = [];
    const round = (untilNs: number): boolean[] => {
      const { isUrgent } = files.round(untilNs, { onExit: (tid) => ended.push(tid), onFork: () => undefined });
      return [isUrgent, ended.includes(77)];
    };
    files.add(0, pageOfEvents([{ timeNs: 500, name: 'waking', fields: { pid: 77 } }]));
    expect(round(400)).toEqual([false, false]);
    files.add(1, pageOfEvents([{ timeNs: 1000, name: 'exit', fields: { pid: 77 } }]));
    expect([round(900), round(1000), round(1100)]).toEqual([[true, false], [false, true], [false, true]]);
    expect([files.trace.events, ended]).toEqual([2, [77]]);
  });

  it('tell of many ends and beginnings, more than there is room for at a time, each once', () => {
    const files = filesOf([0]);
    const fields = (i: number): MadeEvent => ({ timeNs: i, name: 'fork', fields: { parent_pid: 5, child_pid: i } });
    for (let page = 0; page < 40; page++)
      files.add(0, pageOfEvents(Array.from({ length: 20 }, (_, i) => fields(20 * page + i))));
    const children: number[] = [];
    files.round(Infinity, { onExit: () => undefined, onFork: (_, child) => children.push(child) });
    expect(children).toEqual(Array.from({ length: 800 }, (_, i) => i));
  });
});

describe('formats', () => {
  it('say where fields lie, also of pages', () => {
    expect(layout).toEqual({ timeAt: 0, commitAt: 8, dataAt: 16, pageBytes: 4096 });
    expect([wordOf(formats.switch, 'prev_pid'), wordOf(formats.switch, 'next_prio')]).toEqual([6, 15]);
    expect(formats.irqEntry.fields.get('name')).toEqual({ at: 12, bytes: 4 });
    expect([...parseStates(formats.switch).letters.values()].join('')).toBe('SDTtXZPI');
    expect(parseStates(formats.switch).preempted).toBe(0x100);
  });

  it('that are none, or not those of this kind of kernel, are refused', () => {
    const text = recording.formats['sched/sched_waking']!;
    for (const wrong of ['', 'name: x', text.replace('offset:4;', 'offset:12;'), text.replace('common_flags', 'flags')])
      expect(() => parseFormat(wrong)).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_SYSTEM' }));
    expect(() => wordOf(formats.waking, 'prev_pid')).toThrow('sched_waking without prev_pid');
    expect(() => parseStates(formats.waking)).toThrow('states');
    expect(() => parsePageLayout('')).toThrow('does not know how this kernel');
  });
});
