/** Pages that are not read but mapped: they tell the same, and what is overwritten meanwhile is a hole. */
import { afterEach, describe, expect, it } from 'vitest';
import { FIGURES } from './figures.js';
import { MappedFile } from './fixtures/mapped-file.js';
import { dataOf } from './fixtures/page-files.js';
import type { FollowedThread, RoundEvents, RoundResult } from './kernel-trace.js';

const ignored: RoundEvents = { onExit: () => undefined, onFork: () => undefined };
const TID = 77;
const WAKING = dataOf('waking', { pid: TID });
const COMES = dataOf('switch', { prev_pid: 1, next_pid: TID });
const SLEEPS = dataOf('switch', { prev_pid: TID, prev_state: 1 });
const event = (data: readonly number[], delta: number): number[] => [data.length | (delta << 5), ...data];
/** 30 and 70 ns: its schedule-in and its response; 100 ns for each. */
const CASE = [...event(WAKING, 0), ...event(COMES, 30), ...event(SLEEPS, 40), 29 | (30 << 5), 12, 0, 0];
const casesOf = (count: number): number[] => Array.from({ length: count }, () => CASE).flat();
/** As many as there is room for on a page. */
const CASES = Math.floor((16_384 - 16) / 4 / CASE.length);
const PAGE_NS = 100 * CASES;

const opened: MappedFile[] = [];
afterEach(() => { for (const file of opened.splice(0)) file.close(); });

function follow(pages = 8) {
  const file = new MappedFile(pages);
  opened.push(file);
  const thread = file.trace.follow(TID, TID, '', 0);
  const round = (untilNs = Infinity): RoundResult => file.trace.round(untilNs, ignored);
  return { file, thread, round };
}

const told = (thread: FollowedThread) => {
  const { figures } = thread.report('asked', 0);
  return FIGURES.map((figure) => [figures[figure].count, figures[figure].minNs, figures[figure].maxNs]);
};
const toldOf = (cases: number): number[][] => [[cases, 30, 30], [cases, 70, 70], [0, 0, 0], [0, 0, 0]];

describe('mapped pages', () => {
  it('tell what is on them, in pieces, as far as the kernel has said that they are written, and in their order', () => {
    const { file, thread, round } = follow();
    expect([file.isMapped, round()]).toEqual([true, { pages: 0, hadHole: false, isUrgent: false }]);
    let cases = 0;
    let timeNs = 5000;
    // It goes round more than twice.
    for (let i = 0; i < 20; i++) {
      const at = 1 + i % file.pages;
      const words = casesOf(CASES);
      file.write(at, timeNs, words, 0);
      // Whole cases, but not whole pieces.
      for (const part of [1, 2, 50, 51, CASES]) {
        file.tell(at, part * CASE.length);
        round();
        expect(told(thread)).toEqual(toldOf(cases + part));
      }
      cases += CASES;
      timeNs += PAGE_NS + 1000;
    }
    expect([file.trace.events, file.trace.mappedEvents]).toEqual([3 * cases, 3 * cases]);
  });

  it('may have one that has grown once more just before the kernel went on to the next', () => {
    const { file, thread, round } = follow();
    file.write(1, 5000, casesOf(CASES), CASE.length);
    round();
    file.tell(1, CASES * CASE.length);
    file.write(2, 5000 + PAGE_NS, casesOf(3));
    round();
    expect(told(thread)).toEqual(toldOf(CASES + 3));
  });

  it('have long events, and gaps, across the ends of pieces', () => {
    const { file, thread, round } = follow();
    // 1000 words, which its head does not say; then nothing for 1020 words.
    const long = [0, 4 + 4 * 1000, ...COMES, ...Array<number>(1000 - COMES.length).fill(0)];
    const gap = [29 | (5 << 5), 4 * 1020, ...Array<number>(1019).fill(0xffff_ffff)];
    file.write(1, 1000, [
      ...event(WAKING, 0), ...long, ...event(SLEEPS, 9), ...gap, ...event(WAKING, 0), ...event(COMES, 4),
      ...gap, ...event(SLEEPS, 4),
    ]);
    round();
    expect([told(thread).slice(0, 2), file.trace.events]).toEqual([[[2, 0, 4], [2, 9, 13]], 6]);
  });

  it('that are overwritten before they were taken are a hole, and what was under way counts nowhere', () => {
    const { file, thread, round } = follow();
    const pageNs = PAGE_NS + 1000;
    const write = (i: number): void => file.write(1 + i % file.pages, i * pageNs, casesOf(CASES));
    for (let i = 0; i < 5; i++) write(i);
    // Amid page 2, and amid a case.
    const [whole, untilNs] = [CASES + 10, pageNs + 10 * 100 + 50];
    expect(round(untilNs).hadHole).toBe(false);
    expect(told(thread)[1]).toEqual([whole, 70, 70]);
    for (let i = 5; i < 11; i++) write(i);
    expect(round().hadHole).toBe(true);
    // Number 10 is the newest, 3 the oldest; some of the oldest are left to the kernel. What was in a piece already is
    // taken, as far as the piece was whole.
    const [count, , most] = told(thread)[1]!;
    expect([count! >= whole + 4 * CASES, count! <= whole + 10 + 8 * CASES, most]).toEqual([true, true, 70]);
    expect(told(thread)[0]![2]).toBe(30);
    write(11);
    expect([round().hadHole, told(thread)[1]![0]]).toEqual([false, count! + CASES]);
  });

  it('are given up in the middle when the kernel begins one anew, whatever it has written by then', () => {
    const late = [...event(WAKING, 0), ...event(COMES, 1e6), ...event(SLEEPS, 1e6)];
    const words = [...late, ...casesOf(CASES - 2)];
    for (const written of [0, late.length, words.length]) {
      const { file, thread, round } = follow();
      for (let at = 1; at <= 8; at++) file.write(at, at * 1e6, casesOf(CASES));
      round(1e6 + 50);
      file.write(1, 9e6, words, written);
      expect(round().hadHole).toBe(true);
      // What is new is taken after the others, in its own time.
      const { maxNs, worst } = thread.report('asked', 0).figures.response;
      expect([maxNs, worst!.beganNs]).toEqual(written === 0 ? [70, 1e6] : [2e6, 9e6]);
    }
  });

  it('are read instead where they are not laid out as is known here', () => {
    const file = new MappedFile(8, 8192);
    opened.push(file);
    expect([file.isMapped, file.trace.mappedEvents]).toEqual([false, 0]);
    const few = new MappedFile(4);
    opened.push(few);
    expect(few.isMapped).toBe(false);
  });
});
