/**
 * The entry of the reactors of a fuzzed runtime: handlers and tasks for the other threads, and a fuzzer of its own for
 * what a reactor gives.
 */
import { OK, type Reactor } from 'percore';
import { aFunction, anything, bytes, Fuzzer, int, options, type World } from './fuzzer.js';
import { Chance } from './hostile.js';
import { boundParty, hintsOf, partyMakers, unchecked } from './worlds/party.js';
import { observingHints, observingMakers } from './worlds/observing.js';
import { hints } from './worlds/runtime.js';

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
