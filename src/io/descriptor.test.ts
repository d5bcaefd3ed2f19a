import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';

describe.each(['epoll', 'io_uring'] as const)('on %s', (source) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await remoteRuntime(1, { io: { source } });
  });
  afterAll(() => runtime.close());
  afterEach(() => inside(runtime, 0, (reactor, _argument, { state, coreOf }) => {
    reactor.io.closeAll();
    for (const fd of state['fds'] ?? []) coreOf(reactor.io)!.native.descriptors.close(fd);
    for (const key of Object.keys(state)) delete state[key];
  }));

  /**
   * Prepares reactor 0: state.make() returns the two ends of a stream, which state.write(fd, text) and state.read(fd)
   * use. The descriptors belong to that thread and are closed afterwards.
   */
  const prepare = (): Promise<void> => inside(runtime, 0, (reactor, _argument, { state, until: become, coreOf }) => {
    const { native } = coreOf(reactor.io)!;
    state['fds'] = [];
    state['told'] = [];
    state['make'] = async () => {
      const path = `\0percore-descriptor-${process.pid}-${state['fds'].length}`;
      let right = -1;
      // A connection without its Connection: the plain descriptors of both ends.
      const listener = reactor.io.listen({ path }, (connection) => void (right = connection.detach()!.fd));
      const left = native.unix.connect(path);
      await become(() => right >= 0);
      listener.close();
      native.descriptors.own(right);
      state['fds'].push(left, right);
      return [left, right];
    };
    state['write'] = (fd: number, text: string) => native.descriptors.write(fd, Buffer.from(text), 0, text.length, 0);
    state['read'] = (fd: number) => {
      const bytes = Buffer.alloc(100);
      const count = native.descriptors.read(fd, bytes, 0, 100, 0);
      return count < 0 ? `-${native.system.errorName(-count)}` : bytes.subarray(0, count).toString();
    };
  });

  describe('a registered descriptor', () => {
    it('is reported readable at each edge, and its end by READ_CLOSED', async () => {
      await prepare();
      await inside(runtime, 0, async (reactor, _argument, { state }) => {
        const [left, right] = await state['make']();
        state['left'] = left;
        reactor.io.registerDescriptor(right, {}, (bits) => void state['told'].push([bits, state['read'](right)]));
        state['write'](left, 'one');
      });
      await until(() => inside(runtime, 0, (_reactor, _argument, { state }) => state['told'].length === 1), 'one');
      await inside(runtime, 0, (reactor, _argument, { state, coreOf }) => {
        state['write'](state['left'], 'two');
        coreOf(reactor.io)!.native.descriptors.end(state['left']);
      });
      await until(() => inside(runtime, 0, (_reactor, _argument, { state }) => state['told'].length === 2), 'two');
      expect(await inside(runtime, 0, (_reactor, _argument, { state, io }) => [state['told'], io.READINESS])).toEqual([
        [
          [1, 'one'], [1 | 4, 'two'],
        ],
        { READABLE: 1, WRITABLE: 2, READ_CLOSED: 4, HANG_UP: 8, ERROR: 16, PRIORITY: 32 },
      ]);
    });

    it('is reported until it is read if it is level-triggered, and once if it is edge-triggered', async () => {
      await prepare();
      const counts = await inside(runtime, 0, async (reactor, _argument, { state, until: become, sleep, io }) => {
        const result: number[] = [];
        for (const interest of [io.INTEREST.READABLE | io.INTEREST.LEVEL, io.INTEREST.READABLE]) {
          const [left, right] = await state['make']();
          let calls = 0;
          const descriptor = reactor.io.registerDescriptor(right, { interest }, () => void calls++);
          state['write'](left, 'x');
          await become(() => calls >= 1);
          await sleep(30);
          descriptor.close();
          result.push(calls);
          const atClose = calls;
          await sleep(10);
          if (calls !== atClose) result.push(-1);
        }
        return result;
      });
      expect(counts).toHaveLength(2);
      expect(counts[0]).toBeGreaterThan(3);
      expect(counts[1]).toBe(1);
    });

    it('is reported once if it is one-shot, until it is registered again', async () => {
      await prepare();
      const calls = await inside(runtime, 0, async (reactor, _argument, { state, until: become, sleep, io }) => {
        const [left, right] = await state['make']();
        const { READABLE, ONESHOT } = io.INTEREST;
        let count = 0;
        const descriptor = reactor.io.registerDescriptor(right, { interest: READABLE | ONESHOT }, () => void count++);
        state['write'](left, 'x');
        await become(() => count === 1);
        state['write'](left, 'y');
        await sleep(20);
        const before = count;
        descriptor.reregister(READABLE | ONESHOT);
        await become(() => count === 2);
        return [before, count];
      });
      expect(calls).toEqual([1, 2]);
    });

    it('a callback that answers true is called again with the same bits, after others of its band', async () => {
      await prepare();
      const order = await inside(runtime, 0, async (reactor, _argument, { state, until: become }) => {
        const said: string[] = [];
        const ends = [await state['make'](), await state['make']()];
        for (const [i, [, right]] of ends.entries()) {
          let left = 3;
          reactor.io.registerDescriptor(right, {}, (bits) => {
            said.push(`${i}:${bits}`);
            return --left > 0;
          });
        }
        for (const [left] of ends) state['write'](left, 'x');
        await become(() => said.length === 6);
        return said;
      });
      expect(order).toEqual(['0:1', '1:1', '0:1', '1:1', '0:1', '1:1']);
    });

    it('is told nothing once another callback of the same batch has closed it, and neither is a new one with its '
      + 'number', async () => {
      await prepare();
      const heard = await inside(runtime, 0, async (reactor, _argument, { state, sleep, coreOf }) => {
        const ends: [number, number][] = [await state['make'](), await state['make']()];
        const said: string[] = [];
        const registrations = ends.map(([, right], i) => reactor.io.registerDescriptor(right, {}, () => {
          said.push(`old ${i}`);
          const other = 1 - i;
          registrations[other]!.close();
          // A new descriptor with the other's number, on which nothing ever arrives.
          coreOf(reactor.io)!.native.descriptors.close(ends[other]![1]);
          let fresh = -1;
          // The kernel gives the lowest free number, so a few others may come first.
          for (let tries = 0; tries < 100 && fresh !== ends[other]![1]; tries++) {
            fresh = coreOf(reactor.io)!.native.watches.open();
            state['fds'].push(fresh);
          }
          said.push(fresh === ends[other]![1] ? 'same number' : 'another number');
          reactor.io.registerDescriptor(fresh, {}, () => void said.push('new'));
        }));
        for (const [left] of ends) state['write'](left, 'x');
        await sleep(50);
        return said;
      });
      expect(heard).toEqual(['old 0', 'same number']);
    });

    it('is refused if it is not open or cannot be polled, and so is an interest that asks for nothing', async () => {
      await prepare();
      const errors = await inside(runtime, 0, async (reactor, _argument, { state, require, io }) => {
        const [, right] = await state['make']();
        const file = require('node:fs').openSync('/etc/passwd', 'r');
        const descriptor = reactor.io.registerDescriptor(right, {}, () => undefined);
        const { LEVEL } = io.INTEREST;
        const calls = [
          () => reactor.io.registerDescriptor(100_000, {}, () => undefined),
          () => reactor.io.registerDescriptor(file, {}, () => undefined),
          () => reactor.io.registerDescriptor(right, { interest: LEVEL }, () => undefined),
          () => reactor.io.registerDescriptor(right, { interest: 64 }, () => undefined), () => descriptor.reregister(0),
          () => reactor.io.registerDescriptor(-1, {}, () => undefined),
          () => reactor.io.registerDescriptor(right, {}, 5 as never),
        ];
        const messages = calls.map((call) => {
          try {
            call();
            return 'accepted';
          } catch (error) {
            return (error as Error).message;
          }
        });
        require('node:fs').closeSync(file);
        return [messages, reactor.io.status().endpoints] as const;
      });
      expect(errors).toEqual([
        [
          expect.stringMatching(/^cannot watch descriptor 100000: EBADF, epoll_ctl: it is not open$/),
          expect.stringMatching(/^cannot watch descriptor \d+: EPERM, epoll_ctl: a regular file or/),
          'interest must be READABLE, WRITABLE or PRIORITY, with or without LEVEL and ONESHOT, not 8',
          'interest must be a whole number from 1 to 31, not 64', 'interest must be a whole number from 1 to 31, not 0',
          'fd must be a whole number from 0 to 2147483647, not -1', 'callback must be a function, not 5',
        ],
        1,
      ]);
    });
  });
});
