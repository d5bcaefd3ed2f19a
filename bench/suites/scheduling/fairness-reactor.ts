/** The reactor of `fairness`: four tasks that send to themselves for ever, each with steps of a different length. */
import type { Reactor } from 'percore';

/** Runs for so many nanoseconds; returns the time that each band has used. */
export type FairnessServices = { measure(ns: number): Promise<number[]> };

const STEP_NS = { 6: 20_000, 4: 2_000_000, 2: 5_000, 0: 50_000 } as const;
const WARMUP_NS = 2e8;

export default function start(reactor: Reactor<{ calls: FairnessServices }>): void {
  reactor.handle('measure', (forNs) => new Promise((resolve) => {
    const used = new Array<number>(8).fill(0);
    const startNs = reactor.nowNs() + WARMUP_NS;
    const endNs = startNs + forNs;
    let running = 0;
    for (const [name, stepNs] of Object.entries(STEP_NS)) {
      const priority = Number(name);
      const task = reactor.spawn({ name, priority }, () => {
        const beganNs = reactor.nowNs();
        if (beganNs >= endNs) return void (--running === 0 && resolve(used));
        let nowNs = beganNs;
        while (nowNs - beganNs < stepNs) nowNs = reactor.nowNs();
        if (beganNs >= startNs) used[priority] += nowNs - beganNs;
        task.send(0);
      });
      running++;
      task.send(0);
    }
  }));
}
