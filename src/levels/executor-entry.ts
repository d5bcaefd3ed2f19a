/** The entry of the threads of a RealtimeExecutor: imports what is asked for, runs it, and answers. */
import { serialize } from 'node:v8';
import { PercoreError } from '../errors.js';
import { executorAnswerLayout } from '../layout.js';
import { native } from '../native.js';
import type { Reactor } from '../reactor/index.js';
import { packError } from '../reactor/internal.js';
import {
  ENDED, STATE, type AskedWork, type BlockingWork, type DoneWork, type EventWork, type ExecutorData,
  type RepeatedWork,
} from './executor-messages.js';
import { RunCounter } from './executor-metrics.js';
import { reportLater } from './promises.js';

const { state, length, asked } = executorAnswerLayout.fields;
const STATE_AT = state.at >> 2;
const LENGTH_AT = length.at >> 2;
const ASKED_AT = asked.at >> 2;

type Function_ = (argument: unknown, tick: unknown, data: unknown) => unknown;

export default function start(reactor: Reactor, { answer, events, tids, runs, data }: ExecutorData): void {
  // Both pair with the look of whoever stands still for an answer.
  const threads = new Int32Array(tids);
  Atomics.store(threads, reactor.id, native().threads.id());
  process.once('exit', () => void Atomics.store(threads, reactor.id, ENDED));
  const counter = new RunCounter(runs, reactor.id);
  const words = new Int32Array(answer, 0, executorAnswerLayout.bytes >> 2);
  const room = new Uint8Array(answer, executorAnswerLayout.bytes);
  /** Writes the answer to a question that is still open, and wakes whoever waits for it. */
  const write = (question: number, kind: number, value: unknown): void => {
    const bytes = serialized(value);
    // Whoever has given up asks the next question under another number.
    if (Atomics.load(words, ASKED_AT) !== question) return;
    const fits = bytes.length <= room.length;
    if (fits) room.set(bytes);
    words[LENGTH_AT] = bytes.length;
    // Pairs with the wait in blockOn: the answer is visible with it.
    Atomics.store(words, STATE_AT, fits ? kind : STATE.TOO_LARGE);
    Atomics.notify(words, STATE_AT);
  };

  reactor.handle('executor:run', async ({ module, name, argument, askedNs }: AskedWork): Promise<DoneWork> => {
    const work = await load(module, name);
    const latencyNs = reactor.nowNs() - askedNs;
    return { value: await work(argument, undefined, data), latencyNs };
  });
  reactor.spawn<BlockingWork>({ name: 'executor:block', priority: 7 }, async (blocking) => {
    const { module, name, argument, askedNs, question } = blocking;
    try {
      const work = await load(module, name);
      const latencyNs = reactor.nowNs() - askedNs;
      write(question, STATE.ANSWERED, { value: await work(argument, undefined, data), latencyNs });
    } catch (error) {
      write(question, STATE.FAILED, packError(error));
    }
  });
  const repeated = new Map<number, () => void>();
  let last = 0;
  reactor.handle('executor:every', async ({ module, name, argument, intervalNs }: RepeatedWork): Promise<number> => {
    const work = await load(module, name);
    const id = reactor.timers.every({ intervalNs, priority: 7 }, (tick) => {
      counter.tick(tick, intervalNs);
      // A promise that it returns may be rejected, which the timer reports.
      return work(argument, tick, data) as void;
    });
    repeated.set(++last, () => reactor.timers.cancel(id));
    return last;
  });
  const handlers: (() => void)[] = [];
  const receiver = reactor.io.onReadiness(events[reactor.id]!, { priority: 7 }, (bits) => {
    for (let left = bits; left !== 0; left &= left - 1) handlers[31 - Math.clz32(left & -left)]?.();
  });
  reactor.onStop(() => receiver.close());
  reactor.handle('executor:event', async ({ module, name, argument, bit }: EventWork): Promise<void> => {
    const work = await load(module, name);
    handlers[bit] = () => {
      counter.event();
      reportLater((async () => await work(argument, undefined, data))(), `event of "${name}"`);
    };
  });
  reactor.handle('executor:stop', (id: number): void => {
    repeated.get(id)?.();
    repeated.delete(id);
  });
}

function serialized(value: unknown): Uint8Array {
  try {
    return serialize(value);
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_UNSERIALIZABLE',
      `the answer cannot be sent to another thread: ${(cause as Error).message} Send plain values, typed arrays, maps, `
        + 'sets, dates or errors',
      { argument: 'answer', cause },
    );
  }
}

async function load(module: string, name: string): Promise<Function_> {
  const all = await import(module) as Record<string, unknown>;
  const found = all[name];
  if (typeof found === 'function') return found as Function_;
  throw new PercoreError(
    'ERR_PERCORE_ENTRY', `${module} has no export "${name}" that is a function`,
    { argument: 'work.export', value: name },
  );
}
