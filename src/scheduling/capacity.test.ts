import { describe, expect, it } from 'vitest';
import { faultsOfPlan, planCapacity, useOfClasses } from './capacity.js';
import { checkDiscipline } from './choose.js';
import { bandOfClass, checkAdmission, checkClasses, type ClassOptions } from './classes.js';

/** The four streams of the slides. */
const SLIDES = {
  timers: { priority: 7, tasks: 9, polls: 10 }, network: { priority: 5, tasks: 18, polls: 6 },
  disk: { priority: 3, tasks: 10, polls: 3 }, idle: { priority: 0, tasks: 11, polls: 1 },
} as const;

describe('capacity', () => {
  it('has the numbers of the slides: workload 48, time 20, capacity 239, total 400', () => {
    const plan = planCapacity(checkClasses(SLIDES));
    expect(plan).toMatchObject({ workload: 48, time: 20, capacity: 239, total: 400, roundNs: undefined });
    expect(plan.classes.map(({ capacity }) => capacity)).toEqual([90, 108, 30, 11]);
    expect(faultsOfPlan(plan)).toEqual([]);
  });

  it('is exceeded by more tasks than the polls allow', () => {
    const more = { ...SLIDES, network: { ...SLIDES.network, tasks: 45 } };
    expect(faultsOfPlan(planCapacity(checkClasses(more))))
      .toEqual(['the classes ask for 401 polls, and there are 400']);
  });

  it('foretells the time of a round, and of a task until its next poll, where all say what a step takes', () => {
    const { roundNs, classes } = planCapacity(checkClasses({
      urgent: { priority: 7, tasks: 3, polls: 2, averageNs: 1000 }, bulk: { priority: 1, tasks: 5, averageNs: 8000 },
    }));
    expect(roundNs).toBe(10_000);
    expect(classes.map(({ share, everyNs }) => [share, everyNs])).toEqual([[0.2, 20_000], [0.8, 50_000]]);
  });

  it('tells what each class has used, collections left out', () => {
    const figures = {
      steps: [0, 10, 0, 5, 0, 0, 0, 4], stepNs: [0, 6000, 0, 1000, 0, 0, 0, 4000],
      collectedNs: [0, 1000, 0, 0, 0, 0, 0, 0],
    };
    const classes = checkClasses({ urgent: { priority: 7, averageNs: 900 }, bulk: { priority: 1 } });
    expect(useOfClasses(classes, figures, 20_000)).toEqual([
      {
        name: 'urgent', priority: 7, spawned: undefined, steps: 4, busyNs: 4000, measuredNs: 1000, averageNs: 900,
        share: 0.4, utilisation: 0.2,
      },
      {
        name: 'bulk', priority: 1, spawned: undefined, steps: 10, busyNs: 5000, measuredNs: 500, averageNs: undefined,
        share: 0.5, utilisation: 0.25,
      },
    ]);
  });
});

describe('classes', () => {
  const said = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return `${(error as { code: string }).code.slice(12)}: ${(error as Error).message}`;
    }
    return 'taken';
  };

  it('are refused with the argument, its value and what is allowed', () => {
    expect([
      [], 5, { 7: { priority: 7 } }, { others: { priority: 7 } }, { a: undefined }, { a: {} }, { a: { priority: 8 } },
      { a: { priority: 1, tasks: -1 } }, { a: { priority: 1, polls: 0 } }, { a: { priority: 1, averageNs: 0 } },
      { a: { priority: 1 }, b: { priority: 1 } }, { a: { priority: 1, task: 4 } },
    ].map((given) => said(() => checkClasses(given as unknown as Record<string, ClassOptions>)).split(/: (.*)/)[1]))
      .toMatchInlineSnapshot(`
        [
          "classes must be an object such as { audio: { priority: 7 } }, or left out, not []",
          "classes must be an object such as { audio: { priority: 7 } }, or left out, not 5",
          "classes must be named by words: numbers and "others" mean bands, not "7"",
          "classes must be named by words: numbers and "others" mean bands, not "others"",
          "classes.a must be an object with a priority, not undefined",
          "classes.a.priority must be a whole number from 0 to 7, not undefined",
          "classes.a.priority must be a whole number from 0 to 7, not 8",
          "classes.a.tasks must be a whole number from 0 to 1000000, not -1",
          "classes.a.polls must be a whole number from 1 to 1048576, not 0",
          "classes.a.averageNs must be a number from 1 to 1000000000000, not 0",
          "classes.b.priority must be a band of its own: class "a" has this one, not 1",
          "classes.a has no option "task"; did you mean "tasks"? It takes priority, tasks, polls, averageNs, isBounded",
        ]
      `);
  });

  it('give disciplines their numbers by name, and their polls as weights', () => {
    const classes = checkClasses(SLIDES);
    expect(checkDiscipline({ kind: 'shares', shares: { timers: 8, 1: 2, others: 1 } }, classes))
      .toEqual({ kind: 'shares', shares: { 7: 8, 1: 2, others: 1 } });
    expect(checkDiscipline('weighted', classes)).toEqual({ kind: 'weighted', weights: { 7: 10, 5: 6, 3: 3, 0: 1 } });
    expect(checkDiscipline({ kind: 'weighted', weights: { disk: 5 } }, classes))
      .toEqual({ kind: 'weighted', weights: { 7: 10, 5: 6, 3: 5, 0: 1 } });
    expect(said(() => checkDiscipline({ kind: 'shares', shares: { timer: 8 } }, classes)))
      .toMatch(/did you mean "timers"/);
    expect(said(() => checkDiscipline({ kind: 'shares', shares: { timers: 8, 7: 1 } }, classes)))
      .toMatch(/discipline\.shares\.timers must be left out: band 7 has a number/);
  });

  it('bound their tasks where they say so', () => {
    const classes = checkClasses({ few: { priority: 6, tasks: 2, isBounded: true }, any: { priority: 1, tasks: 2 } });
    const tasks = (count: number, band: number) => Array.from({ length: count }, () => ({ band }));
    expect(said(() => checkAdmission(classes, { name: 'x', band: 6 }, tasks(1, 6)))).toBe('taken');
    expect(said(() => checkAdmission(classes, { name: 'x', band: 1 }, tasks(5, 1)))).toBe('taken');
    expect(said(() => checkAdmission(classes, { name: 'x', band: 6 }, [...tasks(2, 6), ...tasks(9, 1)])))
      .toMatch(/^CAPACITY: task "x" would be one more than class "few" may have: it declares 2 tasks/);
  });

  it('are found by name', () => {
    const classes = checkClasses(SLIDES);
    expect(bandOfClass(classes, 'disk')).toBe(3);
    expect(said(() => bandOfClass(classes, 'dish')))
      .toBe('INVALID_ARGUMENT: class must be one of "timers", "network", "disk", "idle", not "dish"');
    expect(said(() => bandOfClass([], 'disk'))).toMatch(/the runtime was made without the option classes/);
  });
});
