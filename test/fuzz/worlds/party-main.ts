/** A runtime, and all functions that take it for its main thread; then its reactors do the same: reactor-entry.ts. */
import * as percore from 'percore';
import type { Fuzzer, World } from '../fuzzer.js';
import { boundParty, hintsOf, partyMakers, plainMakers, unchecked } from './party.js';
import { hints } from './runtime.js';

const entry = new URL('../reactor-entry.js', import.meta.url);
let runtime: percore.Runtime;

export const world: World = {
  hints: { ...hints, ...hintsOf(() => runtime) },
  makers: [...partyMakers, ...plainMakers],
  leftOut: ['Runtime.ready', ...unchecked],
  bound: boundParty,
  async begin(fuzzer: Fuzzer) {
    runtime = await percore.createRuntime({
      entry, reactors: 2, pin: false, idle: { strategy: 'park' }, laneBytes: 2 ** 16,
      data: { seed: fuzzer.chance.below(1e9), parties: true },
    });
    runtime.on('stepError', ({ error }: { error: Error }) => fuzzer.judgeRemote(error));
    runtime.on('messageDropped', () => undefined);
    fuzzer.adopt(runtime, 'the runtime');
  },
  async end(fuzzer: Fuzzer) {
    for (const reactor of [0, 1]) {
      const found = await runtime.call('fuzz', undefined, { reactor, timeoutMs: 9000 }).catch(() => []) as string[];
      for (const each of found) fuzzer.note(each);
    }
    await runtime.close({ drainMs: 200 });
  },
  calls: 150,
};
