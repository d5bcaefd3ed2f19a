/** The load balancer in slices with and without figures, the recorder or the page: loads its program, and asks it. */
import { check, progress } from '../../harness.js';
import { percore, throughput, withProgram, type Program } from '../spine/load-balancer.js';
import type { Switched } from './sliced-round-trip.js';
import type { Sliced } from './slices.js';

const WARMUP_LINES = 400_000;
/** Longer than the program measures. */
const SECONDS = 45;
/** A slice without load has no lines at all. */
const LEAST_SHARE = 0.1;

export async function slicedLoadBalancer(what: Switched): Promise<Sliced> {
  progress(`load balancer with ${what}`);
  const program: Program = {
    ...percore, script: new URL('./sliced-load-balancer-program.js', import.meta.url), options: ['--with', what],
  };
  let sliced: Sliced | undefined;
  await withProgram(program, async (ports) => {
    const warmRate = await throughput(ports, WARMUP_LINES, 'mixed');
    await throughput(ports, warmRate * SECONDS, 'mixed');
  }, (report) => { sliced = report as unknown as Sliced; });
  const { rates, isOn } = sliced!;
  const median = [...rates].sort((a, b) => a - b)[rates.length >> 1];
  const hasLoad = (rate: number): boolean => rate >= LEAST_SHARE * median;
  // The load may end before the program does, since it is as much as the warm-up foretold. The pair in which it ends
  // does not count.
  const loaded = Math.max(0, rates.findLastIndex(hasLoad) & ~1);
  const idle = rates.slice(0, loaded).filter((rate) => !hasLoad(rate)).length;
  check(loaded >= rates.length / 2 && idle < loaded / 50, `${idle} of ${loaded} slices had no load`);
  return { rates: rates.slice(0, loaded), isOn: isOn.slice(0, loaded) };
}
