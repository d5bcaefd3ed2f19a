/**
 * One virtual world for a scenario: the shipped modules run in it, perhaps with a bug seeded into their text. For the tests
 * of Percore itself; not exported.
 */
import type * as Parking from '../reactor/parking.js';
import type * as Queues from '../queues/index.js';
import { VirtualMemory, type VirtualGlobals } from './virtual-memory.js';

/** Replaces `from`, which must occur exactly once in the compiled `file`. */
export interface Seed {
  readonly file: 'spsc-queue.js' | 'record.js' | 'parking.js';
  readonly from: string;
  readonly to: string;
}

export interface World {
  readonly memory: VirtualMemory;
  readonly globals: VirtualGlobals;
  readonly queues: typeof Queues;
  readonly parking: typeof Parking;
}

export function makeWorld(seeds: readonly Seed[] = []): World {
  const memory = new VirtualMemory();
  const sown = new Set<Seed>();
  const edit = (text: string, url: string): string => {
    for (const seed of seeds) {
      if (!url.endsWith(`/${seed.file}`)) continue;
      const matches = text.split(seed.from).length - 1;
      if (matches !== 1) throw new Error(`${seed.file} contains ${JSON.stringify(seed.from)} ${matches} times, not once`);
      text = text.replace(seed.from, () => seed.to);
      sown.add(seed);
    }
    return text;
  };
  const queues = memory.load<typeof Queues>(new URL('../queues/index.js', import.meta.url), edit);
  const parking = memory.load<typeof Parking>(new URL('../reactor/parking.js', import.meta.url), edit);
  for (const seed of seeds) if (!sown.has(seed)) throw new Error(`nothing loaded ${seed.file}`);
  return { memory, globals: memory.globals, queues, parking };
}

export function assert(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}
