/**
 * Row `urgent-latency`: how long 1,000 urgent lines a second take in band 6, while band 1 is flooded with one and a
 * half times as much as the program can do. The baseline is the same program with the same rates and everything in one
 * band. What the program can do is measured just before, in the same process; ours and the baseline of a run get the
 * same flood.
 *
 * The time counts from when a line was due, whatever the sender was doing. On two CPUs that reactors use fully, an
 * ordinary thread of the client is late by up to 4 ms before it has sent anything, which would be most of the figure.
 * So its urgent sender and its reader ask for SCHED_FIFO, as if they were on another machine. A note says whether they
 * got it, and how much of the flood the program took: near 100 % it was not overloaded, and one band had little to wait
 * for.
 */
import { compare, type Bench, type Contender } from '../../harness.js';
import { latency, percore, throughput, withProgram } from './load-balancer.js';

const RUNS = 5;
const URGENT_BAND = 6;
const FLOOD_BAND = 1;
const URGENT_RATE = 1000;
const OVERLOAD = 1.5;
const WARMUP_LINES = 400_000;
const CAPACITY_LINES = 1_500_000;
const SECONDS = 3;
const WARMUP_SECONDS = 1;

type Figures = 'p50' | 'p99';

export const urgentLatency: Bench = {
  name: 'urgent-latency',
  run() {
    // Ours comes first in each run and finds the rate, which is then used for both.
    let floodRate = 0;
    let isFifoGranted = true;
    let sendLateUs = 0;
    const taken: Record<string, number[]> = {};
    const contender = (name: string, urgentBand: number, isFirst: boolean): Contender<Figures> => ({
      name,
      run: () => withProgram(percore, async (ports) => {
        await throughput(ports, WARMUP_LINES, String(FLOOD_BAND));
        const capacity = await throughput(ports, CAPACITY_LINES, String(FLOOD_BAND));
        if (isFirst) floodRate = capacity * OVERLOAD;
        const { p50Us, p99Us, fifoGranted, urgentSendLateP99Us, floodOffered, floodSent } = await latency(ports, {
          floodRate, floodBand: FLOOD_BAND, urgentRate: URGENT_RATE, urgentBand, seconds: SECONDS,
          warmupSeconds: WARMUP_SECONDS,
        });
        (taken[name] ??= []).push(Math.round(100 * floodSent / floodOffered));
        isFifoGranted &&= fifoGranted;
        sendLateUs = Math.max(sendLateUs, urgentSendLateP99Us);
        return { p50: p50Us, p99: p99Us };
      }),
    });
    const params = { urgentBand: URGENT_BAND, floodBand: FLOOD_BAND, urgentRate: URGENT_RATE, overload: OVERLOAD };
    return compare({
      runs: RUNS,
      ours: contender('percore', URGENT_BAND, true),
      baselines: [contender('one band', FLOOD_BAND, false)],
      figures: [
        {
          of: 'p99',
          metric: 'p99',
          unit: 'us',
          better: 'lower',
          params,
          targets: { 'one band': { of: 'ratio', atMost: 0.1 } },
        },
        { of: 'p50', metric: 'p50', unit: 'us', better: 'lower', params },
      ],
      note: () =>
        `SCHED_FIFO ${isFifoGranted ? 'was granted to' : 'was refused to some of'} the client's urgent senders and ` +
          `readers; it sent at most ${Math.round(sendLateUs)} us late (p99); of the flood the program took ` +
          Object.entries(taken).map(([name, shares]) => `${shares.join(', ')} % (${name})`).join(', '),
    });
  },
};
