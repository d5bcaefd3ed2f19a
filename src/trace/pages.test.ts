/** Pages of the kernel's ring buffer, read against what the kernel printed of the same pages. */
import { describe, expect, it } from 'vitest';
import { takeInOrder, type CpuStream } from './cpu-stream.js';
import { parseFormat, parsePageLayout, parseStates, wordOf } from './event-format.js';
import { formats, layout, pagesOf, recording, streamOf } from './fixtures/recorded.js';

/** An event as the kernel prints it, for what the figures need. Its times are whole microseconds. */
function read({ words, word, timeNs, cpu }: CpuStream): string {
  const id = words[word]! & 0xffff;
  const format = Object.values(formats).find((each) => each.id === id)!;
  const value = (field: string): number => words[word + wordOf(format, field)]!;
  const isHard = ((words[word]! >>> 16) & 8) !== 0;
  const head = `${cpu} ${words[word + 1]} ${isHard ? 'h' : '.'} ${Math.round(timeNs / 1e3)} ${format.name}`;
  const { letters, preempted } = parseStates(formats.switch);
  switch (format.name) {
    case 'sched_switch': {
      const state = value('prev_state');
      const text = state & preempted ? 'R+' : letters.get(state) ?? 'R';
      return `${head} ${value('prev_pid')} ${value('prev_prio')} ${text} ${value('next_pid')} ${value('next_prio')}`;
    }
    case 'sched_waking': return `${head} ${value('pid')} ${value('prio')} ${value('target_cpu')}`;
    case 'sched_process_exit': return `${head} ${value('pid')} ${value('prio')}`;
    case 'sched_process_fork': return `${head} ${value('parent_pid')} ${value('child_pid')}`;
    default: return `${head} ${value('irq')}`;
  }
}

const WANTED: Readonly<Record<string, readonly string[]>> = {
  sched_switch: ['prev_pid', 'prev_prio', 'prev_state', 'next_pid', 'next_prio'],
  sched_waking: ['pid', 'prio', 'target_cpu'], sched_process_exit: ['pid', 'prio'],
  sched_process_fork: ['pid', 'child_pid'], irq_handler_entry: ['irq'], irq_handler_exit: ['irq'],
};

/** The same from a line of the kernel's `trace` file. */
function printed(line: string): string {
  const pattern = /-(\d+)\s+\[0*(\d+)\] (\S+) (\d+)\.(\d{6}): (\w+): (.*)$/;
  const [, pid, cpu, flags, seconds, micros, name, rest] = pattern.exec(line)!;
  const fields = new Map([...rest!.matchAll(/(?:^|\s)(\w+)=(\S+)/g)].map(([, key, value]) => [key!, value!]));
  // target_cpu=001
  const values = WANTED[name!]!.map((field) => fields.get(field)!.replace(/^0+(?=\d)/, ''));
  const isHard = /[hH]/.test(flags![2]!);
  return [cpu, pid, isHard ? 'h' : '.', Number(seconds) * 1e6 + Number(micros), name, ...values].join(' ');
}

function all(stream: CpuStream): string[] {
  const events: string[] = [];
  takeInOrder([stream], Infinity, (at) => { if (!at.isHole) events.push(read(at)); });
  return events;
}

describe('recorded pages', () => {
  it('have the events that the kernel prints of them, with their times', () => {
    for (const { cpu, text } of recording.cpus) {
      const stream = streamOf(cpu);
      stream.fill(100);
      const lines = text.split('\n').map(printed);
      expect(lines.length).toBeGreaterThan(200);
      expect(all(stream)).toEqual(lines);
    }
  });

  it('tell from when to when events were overwritten', () => {
    for (const { cpu } of recording.cpus) {
      const stream = streamOf(cpu);
      stream.fill(100);
      expect([stream.isHole, stream.timeNs]).toEqual([true, 0]);
      const untilNs = stream.holeUntilNs;
      stream.advance();
      expect([stream.isHole, stream.timeNs >= untilNs, stream.timeNs - untilNs < 1e6]).toEqual([false, true, true]);
    }
  });

  it('have a hole between them where one says that something was overwritten before it', () => {
    const [first, second, ...rest] = pagesOf(0);
    const torn = Buffer.from(second!);
    const length = torn.readInt32LE(layout.commitAt);
    torn.writeUInt32LE((length | 0x8000_0000) >>> 0, layout.commitAt);
    const stream = streamOf(0, [first!, torn, ...rest]);
    stream.fill(100);
    const times: string[] = [];
    let before = 0;
    takeInOrder([stream], Infinity, (at) => {
      if (at.isHole) times.push(`${at.timeNs === before} ${at.holeUntilNs > at.timeNs}`);
      before = at.timeNs;
    });
    // The first is that of the recording itself.
    expect(times).toEqual(['true true', 'true true']);
  });

  it('of several CPUs are taken in the order of time, up to a given one, whenever they come', () => {
    const streams = [streamOf(0), streamOf(1)];
    const taken: number[] = [];
    const take = (at: CpuStream): void => { if (!at.isHole) taken.push(at.timeNs); };
    const expected = recording.cpus.flatMap(({ cpu }) => {
      const stream = streamOf(cpu);
      stream.fill(100);
      const times: number[] = [];
      takeInOrder([stream], Infinity, (at) => { if (!at.isHole) times.push(at.timeNs); });
      return times;
    }).sort((a, b) => a - b);
    const middleNs = expected[expected.length >> 1]!;
    for (let page = 0; page < 4; page++) {
      for (const stream of streams) expect(stream.fill(1)).toBe(1);
      // What both have told so far.
      takeInOrder(streams, Math.min(middleNs, ...streams.map((each) => each.lastPageNs)), take);
    }
    expect(taken.every((ns) => ns <= middleNs)).toBe(true);
    takeInOrder(streams, Infinity, take);
    expect(taken).toEqual(expected);
    expect(streams.map((each) => [each.fill(1), each.timeNs])).toEqual([[0, Infinity], [0, Infinity]]);
  });

  it('may move the time on, set it, and hold nothing for a while', () => {
    const words = new Uint32Array(layout.pageBytes / 4);
    const page = Buffer.from(words.buffer);
    const event = (delta: number): number[] => [2 | (delta << 5), formats.waking.id, 77];
    const data = [
      ...event(0), 30 | (5 << 5), 2, ...event(3), 29 | (9 << 5), 8, 0xffff_ffff, ...event(1),
      31 | (6 << 5), 16, ...event(1), 0, 12, formats.waking.id, 78, 29, 0xffff_ffff,
    ];
    words.set(data, layout.dataAt / 4);
    page.writeBigUInt64LE(1000n, layout.timeAt);
    page.writeInt32LE(4 * data.length, layout.commitAt);
    const stream = streamOf(3, [page]);
    stream.fill(1);
    const found: number[][] = [];
    takeInOrder([stream], Infinity, (at) => found.push([at.timeNs, at.words[at.word + 1]!]));
    const moved = 1000 + 5 + 2 * 2 ** 27 + 3;
    expect(found).toEqual([
      [1000, 77], [moved, 77], [moved + 10, 77], [16 * 2 ** 27 + 7, 77], [16 * 2 ** 27 + 7, 78],
    ]);
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
