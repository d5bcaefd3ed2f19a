import { describe, expect, it } from 'vitest';
import { cut, padded, plain } from './cells.js';
import { formatReport } from './trace-report.js';

describe('text in the cells of a terminal', () => {
  it('has nothing that a terminal obeys, or that turns what stands beside it around', () => {
    expect(plain('a\u001b[2J\u009b31m\u0007')).toBe('a?[2J?31m?');
    expect(plain('\u202etxt.exe \u2066x \u2028 \ud800')).toBe('?txt.exe ?x ? ?');
    expect(plain('grün 日本 🚀')).toBe('grün 日本 🚀');
  });

  it('takes as many cells as it is given, whatever its letters take', () => {
    expect(cut('日本語', 5)).toBe('日本');
    expect(padded('日本語', 5)).toBe('日本 ');
    expect(padded('e\u0301te\u0301', 4)).toBe('e\u0301te\u0301 ');
    expect(cut('🚀🚀', 3)).toBe('🚀');
    expect(padded('abc', 2)).toBe('ab');
    expect(cut('grün', 10)).toBe('grün');
  });

  it('names threads in a trace, which any user may call what he likes', () => {
    const figure = {
      count: 1, minNs: 1, p50Ns: 1, p99Ns: 1, maxNs: 1, boundNs: undefined, violations: 0, worst: {
        leftOut: 0, events: ['sched_waking', 'sched_switch'].map((event) => ({
          event, ns: 0, cpu: 0, prevPid: 1, prevName: '\u001b[2J', prevPriority: 120, nextPid: 2, nextName: '\u001bc',
          nextPriority: 120, isPreemption: false, isVoluntary: true, wakeCpu: 0, irq: 0,
        })),
      },
    };
    const figures = { 'schedule-in': figure, 'response': figure, 'relief': figure, 'irq': figure };
    const report = { tid: 1, pid: 1, name: '\u001b]0;x\u0007', why: 'asked', followedNs: 1, figures };
    const text = formatReport(report as unknown as Parameters<typeof formatReport>[0]);
    expect(text).toContain('?[2J -> ?c');
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});
