/**
 * One virtual world for a scenario: the shipped modules run in it, perhaps with a bug seeded into their text. For the
 * tests of Percore itself; not exported.
 */
import { BANDS, FIRST_PLACE_BYTES, groupLayout, placeLayout, queueLayout } from '../../src/layout.js';
import type * as Parking from '../../src/reactor/parking.js';
import { ringOf } from '../../src/queues/group.js';
import type * as Queues from '../../src/queues/index.js';
import type { VirtualThread } from '../../src/testing/explorer.js';
import { VirtualMemory, type VirtualGlobals } from '../../src/testing/virtual-memory.js';

/**
 * Replaces `from`, which must occur exactly once in the compiled `file`: as it is, or without the lines that are
 * comments, which come and go.
 */
export interface Seed {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface World {
  readonly memory: VirtualMemory;
  readonly globals: VirtualGlobals;
  readonly queues: typeof Queues;
  readonly parking: typeof Parking;
}

const COMMENT_LINES = /^[ \t]*\/\/.*\n/gm;
/** A compiled text without the lines that are comments. */
export const withoutComments = (text: string): string => text.replace(COMMENT_LINES, '');

/** Applies the seeds that are meant for the module at `url`. */
export function sow(text: string, url: string, seeds: readonly Seed[]): { text: string; sown: readonly Seed[] } {
  const sown = seeds.filter(({ file }) => url.endsWith(`/${file}`));
  for (const { file, from, to } of sown) {
    if (!text.includes(from)) text = withoutComments(text);
    const matches = text.split(from).length - 1;
    if (matches !== 1) throw new Error(`${file} contains ${JSON.stringify(from)} ${matches} times, not once`);
    text = text.replace(from, () => to);
  }
  return { text, sown };
}

export function makeWorld(seeds: readonly Seed[] = []): World {
  const memory = new VirtualMemory();
  const allSown = new Set<Seed>();
  const edit = (text: string, url: string): string => {
    const edited = sow(text, url, seeds);
    for (const seed of edited.sown) allSown.add(seed);
    return edited.text;
  };
  const queues = memory.load<typeof Queues>(new URL('../../modules/queues/index.js', import.meta.url), edit);
  const parking = memory.load<typeof Parking>(new URL('../../modules/reactor/parking.js', import.meta.url), edit);
  for (const seed of seeds) if (!allSown.has(seed)) throw new Error(`nothing loaded ${seed.file}`);
  return { memory, globals: memory.globals, queues, parking };
}

/** Fields of producers and consumers that count and decide nothing. */
export const UNOBSERVED = ['refused', 'highWater'] as const;

/** Names the words of a queue for schedules, `ring.place1.cursor`, and leaves what only counts out of the states. */
export function nameQueue({ memory, queues }: World, queue: Queues.Queue, name = 'ring'): void {
  const isGroup = queue.kind === 'mpsc' || queue.kind === 'banded';
  const { buffer, capacity, recordBytes } = queue;
  const places = isGroup ? 1 : queue.maxConsumers;
  const bytes = queues.bytesFor(capacity, recordBytes, places);
  if (isGroup) memory.name(buffer, name, groupLayout);
  const rings = !isGroup ? 1 : queue.kind === 'mpsc' ? queue.maxProducers : BANDS;
  for (let ring = 0; ring < rings; ring++) {
    const at = isGroup ? ringOf(queue, ring).byteOffset : queue.byteOffset;
    const label = isGroup ? `${name}.${ring}` : name;
    memory.name(buffer, label, queueLayout, at, at + bytes);
    memory.ignore(
      ...counterRange(buffer, at, queueLayout.fields.refused.at, 8),
      ...counterRange(buffer, at, queueLayout.fields.highWater.at, 4),
    );
    for (let place = 0; place < places; place++) {
      const placeAt = at + FIRST_PLACE_BYTES + place * placeLayout.bytes;
      memory.name(buffer, `${label}.place${place}`, placeLayout, placeAt, placeAt + placeLayout.bytes);
      memory.ignore(...counterRange(buffer, placeAt, placeLayout.fields.highWater.at, 4));
    }
  }
}

const counterRange = (buffer: SharedArrayBuffer, base: number, at: number, bytes: number) => [
  { buffer, from: base + at, to: base + at + bytes },
];

/** Words of the test's own: `count` notes of what has happened. */
export function makeNotes({ memory, globals }: World, count: number): Int32Array {
  const notes = new globals.Int32Array(new globals.SharedArrayBuffer(4 * count));
  memory.note({ buffer: notes.buffer as SharedArrayBuffer });
  return notes;
}

export interface Supervision {
  readonly supervisor: VirtualThread;
  /** Says that a thread has died: what `onDeath` is to do. */
  announce(threadId: number): void;
  /** The thread whose places were freed: a successor may come. 0 for none. */
  vacancy(): number;
}

/**
 * A supervisor that learns of a thread's death, as a runtime does by the `exit` event, and calls `recover(queue,
 * threadId)`.
 */
export function supervise(
  world: World, queue: Queues.Queue, recovered?: (done: Queues.Recovered, dead: number) => void,
): Supervision {
  const { Atomics, Int32Array, SharedArrayBuffer } = world.globals;
  const words = new Int32Array(new SharedArrayBuffer(8));
  world.memory.name(words.buffer as SharedArrayBuffer, 'supervision', {
    fields: { dead: { at: 0 }, recovered: { at: 4 } },
  });
  return {
    supervisor: {
      name: 'supervisor', owns: [], mayWait: true,
      step() {
        const dead = Atomics.load(words, 0);
        if (dead === 0) return 'wait';
        const done = world.queues.recover(queue, dead);
        recovered?.(done, dead);
        Atomics.store(words, 1, dead);
        return 'done';
      },
    },
    announce: (threadId) => void Atomics.store(words, 0, threadId),
    vacancy: () => Atomics.load(words, 1),
  };
}

export function assert(holds: boolean, message: () => string): void {
  if (!holds) throw new Error(message());
}
