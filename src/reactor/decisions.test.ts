/** Who may spin, by CPUs, pins and policies. */
import { describe, expect, it } from 'vitest';
import { fifo, other, type CpuBudget } from '../realtime/index.js';
import { whyNoSpin } from './decisions.js';

const cpus = { allowed: [0, 1], quota: Infinity, count: 2 } as unknown as CpuBudget;
const refused = (pins: (number | undefined)[], ...policies: Parameters<typeof whyNoSpin>[2] & object): number[] =>
  whyNoSpin(pins, cpus, policies).flatMap((why, id) => (why?.includes('real-time policy') === true ? [id] : []));

describe('reactors with a real-time policy that are asked to spin without end', () => {
  it('leave one CPU to the rest of the program', () => {
    expect(refused([0, 1], fifo(10), fifo(20))).toEqual([1]);
    expect(refused([1, 0], fifo(10), fifo(20))).toEqual([1]);
    expect(refused([undefined, undefined], fifo(10), fifo(20))).toEqual([1]);
  });

  it('all spin where a CPU is left, by pins or by policies', () => {
    expect(refused([0], fifo(10))).toEqual([]);
    expect(refused([0, 1], fifo(10), other())).toEqual([]);
    expect(refused([0, 1], fifo(10))).toEqual([]);
    expect(refused([0, 1])).toEqual([]);
  });
});
