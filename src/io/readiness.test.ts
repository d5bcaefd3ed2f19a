import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../native.js';
import { inside, remoteRuntime, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import { closeReadiness, createReadiness, openReadiness, receiveReadiness, type ReadinessHandle } from './readiness.js';
import type { IoCore } from './core.js';

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  // Shared memory goes to the reactors when they start; each test takes the next handle.
  const handles = Array.from({ length: 8 }, () => createReadiness());
  const counts = new Int32Array(new SharedArrayBuffer(16));
  const workers: Worker[] = [];
  let taken = 0;

  beforeAll(async () => {
    runtime = await remoteRuntime(2, { io: { source }, data: { handles, counts } });
  });
  afterAll(async () => {
    await runtime.close();
    for (const handle of handles) closeReadiness(handle);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
    for (const id of [0, 1]) await inside(runtime, id, (reactor, _argument, { state }) => {
      for (const key of Object.keys(state)) delete state[key];
      reactor.io.closeAll();
    });
  });

  const make = (): ReadinessHandle => handles[taken++]!;

  /** Reactor `id` gathers what it is told in the list state.told. */
  const receive = (handle: ReadinessHandle, id = 0): Promise<void> =>
    inside(
      runtime,
      id,
      (reactor, index: number, { state, data }) => {
        state['told'] = [];
        state['receiver'] = reactor.io.onReadiness(
          data.handles[index], { priority: 6 }, (bits) => void state['told'].push(bits),
        );
      },
      handles.indexOf(handle),
    );
  const told = (id = 0): Promise<number[]> =>
    inside(runtime, id, (_reactor, _argument, { state }) => state['told'] as number[]);

  describe('readiness of user space', () => {
    it('that is set in this thread is told in the reactor, once for each time that it is taken', async () => {
      const handle = make();
      await receive(handle);
      const setter = openReadiness(handle);
      expect(setter.set(1)).toBe(0);
      await until(async () => (await told()).length === 1, 'the first');
      expect(setter.set(2 ** 31 - 1)).toBe(0);
      await until(async () => (await told()).length === 2, 'the second');
      expect(await told()).toEqual([1, 2 ** 31 - 1]);
    });

    it('that is set often before it is taken is told once, with all bits', async () => {
      const handle = make();
      await receive(handle);
      const setter = openReadiness(handle);
      const busy = inside(runtime, 0, () => {
        const endMs = Date.now() + 60;
        while (Date.now() < endMs);
      });
      await sleep(10);
      for (const bit of [1, 4, 16, 4]) setter.set(bit);
      await busy;
      await until(async () => (await told()).length === 1, 'one');
      await sleep(20);
      expect(await told()).toEqual([21]);
    });

    it('that was set before anybody received is told to the first receiver, and what it left to the next', async () => {
      const handle = make();
      const setter = openReadiness(handle);
      setter.set(8);
      await receive(handle);
      await until(async () => (await told()).length === 1, 'the early one');
      await inside(runtime, 0, (_reactor, _argument, { state }) => state['receiver'].close());
      setter.set(3);
      await sleep(20);
      expect(await told()).toEqual([8]);
      await receive(handle, 1);
      await until(async () => (await told(1)).length === 1, 'the next receiver');
      expect(await told(1)).toEqual([3]);
    });

    it('that is closed answers CLOSED, refuses receivers, and is closed once', async () => {
      const handle = make();
      const setter = openReadiness(handle);
      closeReadiness(handle);
      // The number belongs to another eventfd now, which a second close must not close.
      const other = native().wakers.create();
      closeReadiness(handle);
      native().wakers.wake(other);
      expect(() => native().wakers.close(other)).not.toThrow();
      expect([setter.set(1), setter.nudge()]).toEqual([-2, -2]);
      await expect(receive(handle)).rejects.toThrow('handle must be a readiness that is not closed');
    });

    it('refuses anything that is not a handle, and wrong bits', () => {
      const handle = make();
      for (const wrong of [
        undefined, {}, { kind: 'readiness', memory: new SharedArrayBuffer(384), eventFd: 3 },
        { ...handle, memory: new SharedArrayBuffer(8) },
      ]) {
        expect(() => openReadiness(wrong as never)).toThrow(/^handle must be a readiness/);
      }
      for (const bits of [0, -1, 2 ** 31, 1.5])
        expect(() => openReadiness(handle).set(bits)).toThrow('bits must be a whole number from 1 to 2147483647');
    });

    it('nudge makes up for a setter that died between its two steps', async () => {
      const handle = make();
      await receive(handle);
      await sleep(10);
      // What terminate() can leave behind: the bits are set, nobody was woken, and no later set would wake anybody.
      Atomics.or(new Int32Array(handle.memory), 32, 5);
      const setter = openReadiness(handle);
      setter.set(2);
      await sleep(30);
      expect(await told()).toEqual([]);
      setter.nudge();
      await until(async () => (await told()).length === 1, 'the nudge');
      expect(await told()).toEqual([7]);
    });

    it('loses no wake-up in any order of the steps of one setter and one receiver', () => {
      // Two sets and two takings, step by step: `or` and `wake` of the setter, `exchange` of the receiver, which runs
      // only when it was woken since it last ran. Forbidden: the setter is done, nobody is woken, and bits are left.
      type State = { bits: number; isWoken: boolean; setterStep: number; old: number; got: number };
      const steps = (state: State): State[] => {
        const next: State[] = [];
        if (state.setterStep % 2 === 0 && state.setterStep < 6)
          next.push({
            ...state, old: state.bits, bits: state.bits | (1 << (state.setterStep / 2)),
            setterStep: state.setterStep + 1,
          });
        if (state.setterStep % 2 === 1)
          next.push({ ...state, isWoken: state.isWoken || state.old === 0, setterStep: state.setterStep + 1 });
        if (state.isWoken) next.push({ ...state, isWoken: false, got: state.got | state.bits, bits: 0 });
        return next;
      };
      const open: State[] = [{ bits: 0, isWoken: false, setterStep: 0, old: 0, got: 0 }];
      let ends = 0;
      for (let state = open.pop(); state !== undefined; state = open.pop()) {
        const next = steps(state);
        open.push(...next);
        if (next.length !== 0) continue;
        ends++;
        expect(state).toMatchObject({ bits: 0, got: 7 });
      }
      expect(ends).toBeGreaterThan(5);
    });

    it('loses nothing under several threads that hammer it: every number set is seen, the last ones too', async () => {
      const handle = make();
      const threads = 3;
      const rounds = process.env['PERCORE_STRESS'] === '1' ? 200_000 : 2_000;
      // Each worker sets its own bit, and sets it again only after the receiver has counted it in a shared word. So a
      // single lost wake-up stops the worker for good.
      await inside(
        runtime,
        0,
        (reactor, index: number, { data }) =>
          void reactor.io.onReadiness(data.handles[index], {}, (bits) => {
            for (let i = 0; i < data.counts.length; i++) if ((bits & (1 << i)) !== 0) Atomics.add(data.counts, i, 1);
          }),
        handles.indexOf(handle),
      );
      const url = fileURLToPath(new URL('./fixtures/readiness-worker.js', import.meta.url));
      const done = Array.from({ length: threads }, (_, index) => {
        const worker = new Worker(url, { workerData: { handle, told: counts, index, rounds } });
        workers.push(worker);
        return once(worker, 'message');
      });
      await within(50_000, Promise.all(done), 'all rounds').catch((error: unknown) => {
        throw new Error(`told so far ${counts.subarray(0, threads).join()} of ${rounds}`, { cause: error });
      });
      expect([...counts.subarray(0, threads)]).toEqual(Array.from({ length: threads }, () => rounds));
    });

    it('leaves no source behind when registering fails', () => {
      const io = { register: () => { throw new Error('no room'); }, schedule: () => undefined } as unknown as IoCore;
      expect(() => receiveReadiness(io, make(), {}, () => undefined)).toThrow('no room');
    });
  });
});
