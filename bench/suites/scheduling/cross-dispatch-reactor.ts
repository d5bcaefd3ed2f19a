/**
 * Both reactors of `cross-dispatch`. Reactor 0 sends numbers in bursts, as fast as they are taken; reactor 1 counts.
 */
import { AGAIN, BACK_PRESSURED, type Reactor } from 'percore';

export type CrossServices = { measure(): Promise<{ rate: number; wrong: number }>; send(): void; stop(): void };

const BURST = 256;
const BYTES = 8;
const WARMUP_NS = 4e8;
const MEASURE_NS = 5e8;
/** After so many messages it looks at the clock. */
const SLICE = 4096;

export default function start(reactor: Reactor<{ calls: CrossServices }>): void {
  if (reactor.id === 0) send(reactor);
  else count(reactor);
}

function send(reactor: Reactor<{ calls: CrossServices }>): void {
  const to = reactor.address('counts', { reactor: 1 });
  let number = 0;
  let isOver = false;
  const burst = reactor.spawn({ name: 'bursts' }, () => {
    for (let i = 0; i < BURST; i++) {
      const at = to.tryClaim(BYTES);
      if (at < 0) return BACK_PRESSURED;
      to.words[at >> 2] = number++ | 0;
      to.commit(BYTES);
    }
    return isOver ? undefined : AGAIN;
  });
  reactor.handle('send', () => void burst.send(0));
  reactor.handle('stop', () => { isOver = true; });
}

function count(reactor: Reactor<{ calls: CrossServices }>): void {
  let received = 0;
  let wrong = 0;
  let startNs = 0;
  let before = 0;
  let bornNs = 0;
  let finish: (result: { rate: number; wrong: number }) => void = () => undefined;
  reactor.spawnBytes({ name: 'counts' }, ({ words, offset }) => {
    if (words[offset >> 2] !== (received | 0)) wrong++;
    if (++received % SLICE !== 0) return;
    const nowNs = reactor.nowNs();
    if (startNs === 0) {
      if (nowNs - bornNs < WARMUP_NS) return;
      startNs = nowNs;
      before = received;
    } else if (nowNs - startNs >= MEASURE_NS) {
      finish({ rate: ((received - before) * 1e9) / (nowNs - startNs), wrong });
    }
  });
  reactor.handle('measure', async () => {
    bornNs = reactor.nowNs();
    const result = new Promise<{ rate: number; wrong: number }>((resolve) => { finish = resolve; });
    await reactor.call('send', undefined, { reactor: 0 });
    const measured = await result;
    await reactor.call('stop', undefined, { reactor: 0 });
    return measured;
  });
}
