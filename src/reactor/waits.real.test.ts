/** Steps that wait for what is no lane, a queue or a connection, in a real reactor. They take no turn meanwhile. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as queues from '../queues/index.js';
import { inside, remoteRuntime, sleep, until } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';

let runtime: Runtime;
const queue = queues.create({ kind: 'spsc', capacity: 4, recordBytes: 8 });
beforeAll(async () => {
  runtime = await remoteRuntime(1, { pin: false, data: queue, idle: { strategy: 'park' } });
});
afterAll(async () => {
  await runtime.close({ drainMs: 200 });
});

const turns = (): number => runtime.status().reactors[0]!.turns;
const tries = (name: string): Promise<number> =>
  inside(runtime, 0, (_reactor, task: string, { state }) => state[task] as number, name);

/** At rest: hardly a turn in a tenth of a second, where one that tries again takes thousands. */
async function restsNow(): Promise<void> {
  const before = turns();
  await sleep(100);
  expect(turns() - before, 'turns while all wait').toBeLessThan(20);
}

describe('a step that is refused', () => {
  it('within another one, by select(), leaves that its own refusals: it is tried again once, with room', async () => {
    const outcome = await inside(runtime, 0, async (reactor, _argument, { codes, sleep: pause }) => {
      let [tries, others] = [0, 0];
      let free = (): void => undefined;
      const gate = new Promise<void>((resolve) => (free = resolve));
      const slow = reactor.spawn<number>({ name: 'slow', capacity: 1, concurrency: 1 }, () => gate);
      const other = reactor.spawn<number>({ name: 'other', priority: 5 }, () => void others++);
      const outer = reactor.spawn<number>({ name: 'outer', priority: 5 }, (n) => {
        const code = slow.send(n);
        if (tries++ === 0) {
          other.send(1);
          reactor.select()!.run();
        }
        return code;
      });
      slow.send(1);
      // Its step is under way, and then its mailbox is full.
      while (slow.send(2) !== codes.OK) await pause(1);
      outer.send(3);
      // Without its refusal it would be tried again in each turn.
      for (let turns = 0; tries === 0 || turns < 5; turns++) await pause(1);
      const before = tries;
      free();
      while (tries < 2) await pause(1);
      return [before, tries, others];
    });
    expect(outcome).toEqual([1, 2, 1]);
  });

  it('by a queue waits until another thread has read', async () => {
    await inside(runtime, 0, (reactor, _argument, { state, data, queues: q }) => {
      const producer = q.pub(data);
      state['to a queue'] = 0;
      const task = reactor.spawn<number>({ name: 'to a queue' }, (message) => {
        state['to a queue']++;
        return producer.offer(new Uint8Array(8).fill(message));
      });
      for (let i = 0; i < 10; i++) task.send(i);
    });
    const consumer = queues.sub(queue);
    const seen: number[] = [];
    await until(async () => (await tries('to a queue')) === 5, 'four are taken and one is refused');
    await restsNow();
    expect(await tries('to a queue'), 'it was not tried again').toBe(5);
    await until(() => {
      consumer.drain((view, offset) => void seen.push(view.getUint8(offset)), 1);
      return seen.length === 10;
    }, 'all arrive');
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('by a connection waits until its peer has read', async () => {
    const outcome = await inside(runtime, 0, async (reactor, _argument, { state, sleep: pause, codes }) => {
      const far = { peer: undefined as unknown as { resume(): void }, got: 0 };
      const listener = reactor.io.listen({ port: 0 }, (connection) => {
        connection.onData((bytes) => void (far.got += bytes.length));
        connection.pause();
        far.peer = connection;
      });
      const connection = reactor.io.connect({ port: listener.port, highWaterBytes: 65_536 });
      while (far.peer === undefined) await pause(1);
      const block = new Uint8Array(65_536);
      let refusals = 0;
      let count = 0;
      state['to a connection'] = 0;
      const task = reactor.spawn<number>({ name: 'to a connection' }, () => {
        state['to a connection']++;
        const code = connection.offer(block);
        if (code === codes.BACK_PRESSURED) refusals++;
        else count++;
        return code;
      });
      for (let i = 0; i < 400; i++) task.send(i);
      while (refusals === 0) await pause(1);
      await pause(50);
      const before = state['to a connection'] as number;
      await pause(100);
      const inVain = (state['to a connection'] as number) - before;
      far.peer.resume();
      while (count < 400) await pause(1);
      connection.close();
      listener.close();
      return [count, inVain];
    });
    expect(outcome, 'all are sent, and none was tried while the peer did not read').toEqual([400, 0]);
  });
});
