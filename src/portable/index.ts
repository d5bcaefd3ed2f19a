/**
 * The portable backend: what the addon gives, in JavaScript, over what Node has everywhere. It stands in where no addon
 * fits, or where PERCORE_BACKEND=portable asks for it. The groups, and what may be missing in each, are those of
 * ../native/index.ts; docs/guide/portable.md says what differs for users.
 *
 * @module
 */
import type { IoHandle, Native, NativeTurns, TurnHandle } from '../native/index.js';
import { layoutHash } from '../layout-hash.js';
import { files, pipes, watches } from './absent.js';
import { clock } from './clock.js';
import { datagrams } from './datagram-thing.js';
import { descriptors } from './descriptor-things.js';
import { ENOSYS } from './errno.js';
import { drivers, sockets, sources } from './io.js';
import { tcp, unix } from './listener-thing.js';
import { LoopSource } from './source.js';
import { system, threads } from './threads.js';
import { LoopTurn } from './turn.js';
import { shareWakers, wakers } from './wakers.js';
import { alarms, wheels } from './wheels.js';

const turnOf = (handle: TurnHandle): LoopTurn => handle as unknown as LoopTurn;

const turns: NativeTurns = {
  create: (options) => new LoopTurn(options) as unknown as TurnHandle,
  stop: (turn) => turnOf(turn).shutDown(),
  setReferenced: (turn, isReferenced) => turnOf(turn).setReferenced(isReferenced),
  drainTimers: (turn) => turnOf(turn).exchange.drain(),
  shareTimers: (turn, index, records) => turnOf(turn).exchange.heap.setChunk(index, records),
  openSource(handle, isUring, block, pool, outbox, counters) {
    if (isUring) return -ENOSYS;
    const turn = turnOf(handle);
    turn.source = new LoopSource(block, pool, outbox, counters, () => turn.knock());
    return turn.source as unknown as IoHandle;
  },
  knock: (turn) => turnOf(turn).knock(),
};

/** The groups of this thread. Call it before the thread starts another one, which then finds the same wakers. */
export function portableBackend(): Native {
  shareWakers();
  return {
    layoutHash: layoutHash(), clock, system, threads, wakers, turns, wheels, alarms, sources, drivers, descriptors,
    sockets, tcp, unix, datagrams, files, watches, pipes,
  };
}

export { chooseBackend, type Choice } from './choice.js';
