/** Every figure of the table is in status() and moves when what it counts happens, in a reactor with real sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until, within } from './fixtures/inside.js';
import type { Runtime } from './runtime.js';
import { partyFigures, type MainStatus, type ReactorStatus } from './status.js';

/** Figures by their names in the table. */
function figuresOf(status: MainStatus): Map<string, number> {
  return new Map(partyFigures.map(({ name }) => {
    const value = name.split('.').reduce<unknown>((group, part) => (group as Record<string, unknown>)[part], status);
    return [name, Array.isArray(value) ? value.reduce((sum: number, each: number) => sum + each, 0) : value as number];
  }));
}

/**
 * Moved by tests of their own: io/io-suite.ts limits descriptors, set-discipline.test.ts measures quanta,
 * restart.test.ts has deaths, monitor/stall.test.ts stalls.
 */
const ELSEWHERE = new Set(['io.shed', 'stepNs', 'collectedNs', 'collectorNs', 'lost', 'stalls']);

describe.each(['epoll', 'io_uring'] as const)('status() of a reactor on %s', (source) => {
  let runtime: Runtime;
  const sockets: Socket[] = [];
  /** What a blocked reactor waits for. */
  const gate = new Int32Array(new SharedArrayBuffer(4));
  /** Blocks a reactor, once it has run what it was sent before, until `open` is called. */
  const block = async (reactor: number): Promise<{ open: () => Promise<void> }> => {
    Atomics.store(gate, 0, 0);
    const blocked = inside(runtime, reactor, (_reactor, _argument, { data }) => {
      const words = new Int32Array(data.gate);
      Atomics.store(words, 0, 1);
      Atomics.wait(words, 0, 1);
    });
    await until(() => Atomics.load(gate, 0) === 1, 'it is blocked');
    return {
      open: async () => {
        Atomics.store(gate, 0, 2);
        Atomics.notify(gate, 0);
        await blocked;
      },
    };
  };
  const moved = new Set<string>();
  let before = new Map<string, number>();
  const status = (): ReactorStatus => runtime.status().reactors[0]!;
  /** Notes which figures have moved since the last look. */
  const look = (): void => {
    const now = figuresOf(status());
    for (const [name, value] of now) if (value !== before.get(name)) moved.add(name);
    before = now;
  };
  const peer = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };

  beforeAll(async () => {
    const data = { gate: gate.buffer };
    runtime = await remoteRuntime(2, { io: { source }, laneBytes: 8192, idle: { strategy: 'park' }, data });
    runtime.on('stepError', () => undefined).on('messageDropped', () => undefined).on('reactorDied', () => undefined);
    before = figuresOf(status());
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await runtime.close({ drainMs: 500 });
    for (const name of ELSEWHERE) moved.add(name);
    const names = partyFigures.map(({ name }) => name);
    expect(names.filter((name) => !moved.has(name)), 'figures that nothing has moved').toEqual([]);
  });

  it('has each figure of the table as a number, the bands as eight of them, and so has the main thread', () => {
    for (const party of [status(), runtime.status().main]) {
      for (const [name, value] of figuresOf(party)) expect(value, name).toBeTypeOf('number');
      expect(party.steps.length).toBe(8);
    }
    for (const { name, means } of partyFigures) expect(means.length, name).toBeGreaterThan(5);
    expect(new Set(partyFigures.map(({ name }) => name)).size).toBe(partyFigures.length);
  });

  it('counts turns, sleeps, wake-ups, steps, messages and what they throw', async () => {
    await inside(runtime, 0, (reactor) => {
      reactor.spawn({ name: 'throws', priority: 5 }, () => {
        throw new Error('as it should');
      });
    });
    const { stepErrors, steps, received } = status();
    for (let i = 0; i < 3; i++) runtime.send('throws', i, { reactor: 0, priority: 5 });
    await until(() => status().stepErrors === stepErrors + 3, 'three errors');
    // These two are counted when the quantum ends.
    await until(() => status().received === received + 3, 'three records taken');
    expect(status().steps[5]! - steps[5]!).toBe(3);
    await sleep(20);
    await inside(runtime, 0, () => undefined);
    look();
  });

  it('counts timers: live, fired, and late where something held them up', async () => {
    const { timers } = status();
    await inside(runtime, 0, async (reactor, _argument, { state, sleep: pause }) => {
      state['far'] = [1, 2].map(() => reactor.timers.after({ delayNs: 3600e9 }, () => undefined));
      reactor.timers.after({ delayNs: 1e6 }, () => undefined);
      const endMs = performance.now() + 8;
      while (performance.now() < endMs);
      await pause(5);
    });
    await until(() => status().timers.live - timers.live === 2, 'the wheel has the two that are far');
    expect(status().timers.fired - timers.fired).toBe(1);
    expect(status().timers.late - timers.late).toBe(1);
    expect(status().timers.missed).toBe(timers.missed);
    const told = await inside(runtime, 0, async (reactor, _argument, { sleep: pause }) => {
      let missed = 0;
      const id = reactor.timers.every({ intervalNs: 1e6 }, (tick) => void (missed += tick.missed));
      const endMs = performance.now() + 8;
      while (performance.now() < endMs);
      // Once is enough, unless the thread has no CPU for so long that both timers are due at once.
      for (let i = 0; i < 20 && missed === 0; i++) await pause(5);
      reactor.timers.cancel(id);
      return missed;
    });
    expect(told).toBeGreaterThan(3);
    expect(status().timers.missed - timers.missed, 'as the callback was told').toBe(told);
    look();
    await inside(runtime, 0, (reactor, _argument, { state }) => {
      for (const timer of state['far']) reactor.timers.cancel(timer);
    });
    await until(() => status().timers.live === timers.live, 'cancelled ones are live no more');
  });

  it('counts the bytes, arrivals and sends of connections, those that are open, and refused offers', async () => {
    const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['listener'] = reactor.io.listen({ port: 0, highWaterBytes: 65_536 }, (connection) => {
        state['connection'] = connection;
        connection.onData((bytes) => void connection.offer(bytes));
      });
      return state['listener'].port as number;
    });
    const { io } = status();
    const socket = await peer(port);
    let echoed = 0;
    socket.on('data', (bytes) => void (echoed += bytes.length));
    for (let i = 0; i < 10; i++) {
      socket.write(Buffer.alloc(1000, i));
      await until(() => echoed === (i + 1) * 1000, 'the echo');
    }
    // io_uring says a little later than the peer what the kernel has taken.
    await until(() => status().io.bytesSent - io.bytesSent === 10_000, 'all bytes of the echo');
    const now = status().io;
    expect([now.accepts - io.accepts, now.connections - io.connections]).toEqual([1, 1]);
    expect(now.bytesReceived - io.bytesReceived).toBe(10_000);
    expect(now.receives - io.receives).toBeGreaterThanOrEqual(10);
    expect(now.sends - io.sends).toBeGreaterThanOrEqual(10);
    const refused = await inside(runtime, 0, (_reactor, _argument, { state, codes }) => {
      let count = 0;
      state['connection'].cork();
      const bytes = new Uint8Array(16_384);
      for (let i = 0; i < 20; i++) if (state['connection'].offer(bytes) === codes.BACK_PRESSURED) count++;
      return count;
    });
    expect(refused).toBeGreaterThan(0);
    expect(status().io.refused - io.refused).toBe(refused);
    look();
    await inside(runtime, 0, (_reactor, _argument, { state }) => void state['connection'].uncork());
    socket.destroy();
    await until(() => status().io.connections === io.connections, 'the connection has gone');
    look();
  });

  it('counts the times that no buffer was free for an arrival', async () => {
    const port = await inside(runtime, 0, (reactor, _argument, { state }) => {
      state['bulk'] = reactor.io.listen({ port: 0 }, (connection) => connection.onData(() => undefined));
      return state['bulk'].port as number;
    });
    const bulk = await Promise.all(Array.from({ length: 300 }, () => peer(port)));
    const { poolWaits } = status().io;
    // While the reactor is blocked, more arrives than its pool holds.
    for (let tries = 0; status().io.poolWaits === poolWaits && tries < 10; tries++) {
      const blocked = await block(0);
      for (const socket of bulk) socket.write(Buffer.alloc(2 ** 18));
      await sleep(100);
      await blocked.open();
    }
    expect(status().io.poolWaits).toBeGreaterThan(poolWaits);
    look();
    for (const socket of bulk) socket.destroy();
  });

  it('counts what was dropped, by reason', async () => {
    await inside(runtime, 0, (reactor) => void reactor.spawnBytes({ name: 'bytes' }, () => undefined));
    const { dropped, droppedByReason } = status();
    runtime.send('nobody', 1, { reactor: 0 });
    runtime.send('bytes', { no: 'bytes' }, { reactor: 0 });
    await until(() => status().dropped === dropped + 2, 'two dropped');
    // An answer that comes when the call was given up, and a call that was given up before its turn came.
    type Answering = { answer?: () => void };
    await inside(runtime, 1, (reactor) => {
      reactor.handle('slow', () => {
        const isAnswered = new Promise<void>((resolve) => ((globalThis as Answering).answer = resolve));
        return isAnswered as never;
      });
    });
    const givenUp = inside(runtime, 0, async (reactor) => {
      const abort = new AbortController();
      (globalThis as { giveUp?: () => void }).giveUp = () => abort.abort();
      await reactor.call('slow', null, { reactor: 1, signal: abort.signal }).catch(() => undefined);
    });
    await until(() => inside(runtime, 1, () => (globalThis as Answering).answer !== undefined), 'the call is there');
    await inside(runtime, 0, () => (globalThis as { giveUp?: () => void }).giveUp!());
    await givenUp;
    await inside(runtime, 1, () => (globalThis as Answering).answer!());
    const blocked = await block(0);
    await runtime.call('run', null, { reactor: 0, timeoutMs: 20 }).catch(() => undefined);
    await blocked.open();
    await until(() => status().dropped === dropped + 4, 'four dropped');
    const by = status().droppedByReason;
    for (const reason of ['noTask', 'notBytes', 'lateAnswers', 'lateCalls'] as const) {
      expect(by[reason] - droppedByReason[reason], reason).toBe(1);
    }
    look();
  });

  it('counts what was refused, by reason, what waits in lanes and mailboxes, and calls in flight', async () => {
    await inside(runtime, 1, (reactor) => void reactor.spawnBytes({ name: 'sink' }, () => undefined));
    const blocked = await block(1);
    const { refusedByReason, refused } = status();
    const peerLanes = runtime.status().reactors[1]!.lanes;
    const calls = inside(runtime, 0, (reactor, _argument, { codes }) => {
      const counts = { noRoom: 0, tooLarge: 0, sent: 0 };
      while (counts.noRoom < 3) {
        const code = reactor.send('sink', new Uint8Array(500), { reactor: 1 });
        if (code === codes.OK) counts.sent++;
        if (code === codes.BACK_PRESSURED) counts.noRoom++;
      }
      if (reactor.send('sink', new Uint8Array(100_000), { reactor: 1 }) === codes.TOO_LARGE) counts.tooLarge++;
      // A task that waits for room in that lane, and two messages behind the one that it keeps.
      const task = reactor.spawn({ name: 'held' }, () => reactor.send('sink', new Uint8Array(500), { reactor: 1 }));
      for (let i = 0; i < 3; i++) task.send(i);
      // A call in the same lane waits for room as well.
      void reactor.call('run', new Uint8Array(2000), { reactor: 1 }).catch(() => undefined);
      return counts;
    });
    const counts = await calls;
    await until(() => status().refusedByReason.noRoom - refusedByReason.noRoom === 4, 'the task was refused as well');
    await until(() => status().taskDepth === 3, 'three messages wait');
    expect(status().callsInFlight).toBeGreaterThanOrEqual(1);
    expect(status().waitingBytes).toBeGreaterThan(2000);
    expect(counts).toMatchObject({ noRoom: 3, tooLarge: 1 });
    const now = status();
    expect(now.refusedByReason.tooLarge - refusedByReason.tooLarge).toBe(1);
    expect(now.refused - refused).toBe(5);
    const lanes = runtime.status().reactors[1]!.lanes;
    expect(lanes.backlog - peerLanes.backlog).toBeGreaterThanOrEqual(counts.sent);
    expect(lanes.backlogBytes).toBeGreaterThan(4096);
    expect(lanes.count).toBeGreaterThan(0);
    look();
    await blocked.open();
    const left = (): number => status().taskDepth + status().callsInFlight + status().waitingBytes;
    await until(() => left() === 0, 'all has gone');
    await until(() => runtime.status().reactors[1]!.lanes.backlog === 0, 'the lanes are empty');
    expect(runtime.status().reactors[1]!.lanes.backlogBytes).toBe(0);
    // And one that has died.
    const died = once(runtime, 'reactorDied');
    await inside(runtime, 1, (reactor) => void reactor.timers.after({ delayNs: 3600e9 }, () => undefined));
    await until(() => runtime.status().reactors[1]!.timers.live > 0, 'its timer lives');
    const { turns } = runtime.status().reactors[1]!;
    await inside(runtime, 1, () => process.exit()).catch(() => undefined);
    await within(5000, died, 'the death');
    // What it had is over; what it had done stays.
    const dead = runtime.status().reactors[1]!;
    expect([dead.state, dead.timers.live, dead.taskDepth, dead.callsInFlight]).toEqual(['dead', 0, 0, 0]);
    expect(dead.turns).toBeGreaterThanOrEqual(turns);
    await until(() => inside(runtime, 0, (reactor, _argument, { codes }) => (
      reactor.send('sink', new Uint8Array(8), { reactor: 1 }) === codes.CLOSED
    )), 'CLOSED');
    expect(status().refusedByReason.closed - refusedByReason.closed).toBeGreaterThanOrEqual(1);
    look();
  });
});
