/** The load balancer in slices with and without figures, the recorder or the page: loads its program, and asks it. */
import { check, progress } from '../../harness.js';
import { percore, throughput, withProgram, type Program } from '../spine/load-balancer.js';
import type { Switched } from './sliced-round-trip.js';
import type { Sliced } from './slices.js';

const WARMUP_LINES = 400_000;
/** Longer than the program measures: its report says whether it had work until its last slice. */
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
  const { rates } = sliced!;
  const median = [...rates].sort((a, b) => a - b)[rates.length >> 1];
  const idle = rates.filter((rate) => rate < LEAST_SHARE * median).length;
  check(idle < rates.length / 50, `${idle} of ${rates.length} slices had no load`);
  return sliced!;
}
