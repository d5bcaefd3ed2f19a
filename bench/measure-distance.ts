/** Asks how far apart the first two CPUs of this process are: see distance.ts. */
import { cpuBudget } from 'percore';
import { baselineProgram, runProgram } from './programs.js';

const ROUNDS = 5000;
const WARMUP_ROUNDS = 1000;

/** The median of a round trip, or NaN where this process may use one CPU only. Takes 5 to 10 ms. */
export async function measureDistance(): Promise<number> {
  const [one, other] = cpuBudget().allowed;
  if (other === undefined) return NaN;
  const program = await baselineProgram('ring_round_trip');
  return Number((await runProgram(program, [one, other, ROUNDS, WARMUP_ROUNDS]))['p50Ns']);
}
