/** Arguments that timers refuse: the error has the name, the value and what is allowed. */
import { describe, expect, it } from 'vitest';
import { REQUESTS, ManualHost } from './fixtures/manual-host.js';

describe('a wrong argument', () => {
  it('is refused with its name, its value and what is allowed, and no timer is made', () => {
    const host = new ManualHost();
    const { timers } = host;
    const run = () => undefined;
    const [argument, delay, interval] = [
      'ERR_PERCORE_INVALID_ARGUMENT', 'ERR_PERCORE_TIMER_INVALID_DELAY', 'ERR_PERCORE_TIMER_INVALID_INTERVAL',
    ];
    const delays = 'nanoseconds from 0 to 4611686018427388000';
    const intervals = 'nanoseconds from 1000 to 4611686018427388000';
    const live = timers.after({ delayNs: 1 }, run);
    const cases: [() => unknown, string, string][] = [
      [() => timers.after({ delayNs: -1 }, run), delay, `delayNs must be ${delays}, not -1`],
      [() => timers.after({ delayNs: NaN }, run), delay, `delayNs must be ${delays}, not NaN`],
      [() => timers.after({ delayNs: Infinity }, run), delay, `delayNs must be ${delays}, not Infinity`],
      [
        () => timers.after({ delayNs: 2 ** 62 + 1024 }, run),
        delay,
        `delayNs must be ${delays}, not 4611686018427389000`,
      ],
      [() => timers.after({ delayNs: '5' as never }, run), delay, `delayNs must be ${delays}, not "5"`],
      [() => timers.after({} as never, run), delay, `delayNs must be ${delays}, not undefined`],
      [
        () => timers.after({ delayMs: 5 } as never, run),
        argument,
        'options has no option "delayMs"; did you mean "delayNs"? It takes delayNs, priority',
      ],
      [
        () => timers.after(5 as never, run),
        argument,
        'options must be an object with delayNs (and priority if wanted), not 5',
      ],
      [
        () => timers.at({ deadline: 5 } as never, run),
        argument,
        'options has no option "deadline"; did you mean "deadlineNs"? It takes deadlineNs, priority',
      ],
      [
        () => timers.at(undefined as never, run),
        argument,
        'options must be an object with deadlineNs (and priority if wanted), not undefined',
      ],
      [
        () => timers.after({ delayNs: 1, priority: 8 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not 8',
      ],
      [
        () => timers.after({ delayNs: 1, priority: -1 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not -1',
      ],
      [
        () => timers.after({ delayNs: 1, priority: 1.5 }, run),
        argument,
        'priority must be a whole number from 0 to 7, not 1.5',
      ],
      [() => timers.after({ delayNs: 1 }, undefined as never), argument, 'callback must be a function, not undefined'],
      [() => timers.at({ deadlineNs: -1 }, run), delay, `deadlineNs must be ${delays}, not -1`],
      [() => timers.at({ deadlineNs: NaN }, run), delay, `deadlineNs must be ${delays}, not NaN`],
      [() => timers.every({ intervalNs: 999 }, run), interval, `intervalNs must be ${intervals}, not 999`],
      [() => timers.every({ intervalNs: 0 }, run), interval, `intervalNs must be ${intervals}, not 0`],
      [() => timers.every({ intervalNs: -1000 }, run), interval, `intervalNs must be ${intervals}, not -1000`],
      [() => timers.every({ intervalNs: NaN }, run), interval, `intervalNs must be ${intervals}, not NaN`],
      [() => timers.every({ intervalNs: Infinity }, run), interval, `intervalNs must be ${intervals}, not Infinity`],
      [() => timers.every({ intervalNs: 1000, firstNs: -1 }, run), delay, `firstNs must be ${delays}, not -1`],
      [
        () => timers.every({ intervalNs: 1000 }, 'later' as never),
        argument,
        'callback must be a function, not "later"',
      ],
      [
        () => timers.walk({ intervalsNs: [], order: 'linear' }, run),
        argument,
        'intervalsNs must be an array of 1 to 4096 intervals, not []',
      ],
      [
        () => timers.walk({ intervalsNs: 1000 as never, order: 'linear' }, run),
        argument,
        'intervalsNs must be an array of 1 to 4096 intervals, not 1000',
      ],
      [
        () => timers.walk({ intervalsNs: [1000, 1], order: 'linear' }, run),
        interval,
        `intervalsNs[1] must be ${intervals}, not 1`,
      ],
      [
        () => timers.walk({ intervalsNs: [1000], order: 'random' as never }, run),
        argument,
        "order must be 'round-robin' or 'linear', not \"random\"",
      ],
      [
        () => timers.create({} as never, run),
        argument,
        'options must be an object with delayNs, deadlineNs, intervalNs or intervalsNs, not [object Object]',
      ],
      [() => timers.reschedule(live, { delayNs: -1 }), delay, `delayNs must be ${delays}, not -1`],
      [() => timers.reschedule(live, { deadlineNs: NaN }), delay, `deadlineNs must be ${delays}, not NaN`],
      [() => timers.reschedule(live, {} as never), delay, `deadlineNs must be ${delays}, not undefined`],
    ];
    for (const [create, code, message] of cases) {
      expect(create, message).toThrow(expect.objectContaining({ code, message }));
    }
    expect([timers.count, host.delivery[REQUESTS]], 'only the valid one').toEqual([1, 1]);
  });
});
