/**
 * The entry of the reactors of a fuzzed runtime: handlers and tasks for the other threads, and a fuzzer of its own for
 * what a reactor gives.
 */
import { createKeyed, createService, OK, openControl, type Reactor } from 'percore';
import { aFunction, anything, bytes, Fuzzer, int, options, type World } from './fuzzer.js';
import { Chance } from './hostile.js';
import { boundParty, hintsOf, partyMakers, unchecked } from './worlds/party.js';
import { observingHints, observingMakers } from './worlds/observing.js';
import { hints } from './worlds/runtime.js';

/** Has what the fuzzers of all parties ask for by name. */
function beAsked(reactor: Reactor): void {
  openControl(reactor);
  createKeyed(reactor, { name: 'keyed' }, () => OK);
  createService(reactor, { name: 'counts' }, () => ({
    add: (by: unknown) => by,
    get: async () => [1, 'a'],
    fails: () => {
      throw Object.assign(new TypeError('thrown by a method'), { code: 'E_HANDLER' });
    },
    *values(count: unknown) {
      for (let i = 0; i < Math.min(Number(count), 9); i++) yield i;
    },
    stop: () => undefined,
  }));
}

export default function start(reactor: Reactor, data?: { seed: number; parties?: boolean; observes?: boolean }): void {
  reactor.handle('echo', (value) => value);
  reactor.handle('throws', () => {
    throw Object.assign(new TypeError('thrown by a handler'), { code: 'E_HANDLER' });
  });
  reactor.handle('later', async (value) => value);
  reactor.handle('streams', function* (value) {
    yield value;
  });
  reactor.spawn({ name: 'values' }, () => OK);
  if (data?.parties === true) beAsked(reactor);
  reactor.spawnBytes({ name: 'bytes' }, () => OK);
  const world: World = {
    hints: {
      ...hints, after: [options({ delayNs: int(0, 1e5) }), aFunction],
      at: [options({ deadlineNs: int(0, 1e5) }), aFunction],
      every: [options({ intervalNs: int(1000, 1e6) }), aFunction], offer: [bytes], send: [...hints['send']!],
      drain: [aFunction], value: [anything], ...(data?.parties === true ? hintsOf(() => reactor) : {}),
      ...(data?.observes === true ? observingHints(() => reactor) : {}),
    },
    makers: data?.parties === true ? partyMakers
      : data?.observes === true ? observingMakers : [['reactor', () => undefined]],
    bound: boundParty,
    // A reactor is ended by its runtime; its clocks and sockets are the work of other fuzzers.
    leftOut: [
      'Io.stdin', 'Io.closeAll', 'Io.attach', 'Io.openPipe', 'Io.registerDescriptor', 'Io.openFile', 'Io.openFifo',
      'Io.steer', 'Timers.poll', ...unchecked,
    ],
    calls: 150,
  };
  const lines: string[] = [];
  const fuzzer = new Fuzzer(
    new Chance(data?.seed ?? 1), world, (line) => void (lines.push(line) > 40 && lines.shift()),
  );
  reactor.handle('fuzz', async () => {
    fuzzer.adopt(reactor, 'the reactor');
    fuzzer.adopt(reactor.timers, 'its timers');
    await fuzzer.round();
    return [...fuzzer.failures.values()];
  });
}
