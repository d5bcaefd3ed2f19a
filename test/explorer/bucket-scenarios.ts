/**
 * A bucket's move under the explorer: the shipped table of buckets, senders that count before they look, and an owner
 * that lets the bucket go when nothing is missing. A lane is a word that counts what was sent through it.
 *
 * Demanded: whatever a sender has sent to the old owner is run by it before the bucket goes.
 */
import { bucketsLayout, bucketsStride, runtimeLayout } from '../../src/layout.js';
import type * as Table from '../../src/balance/table.js';
import { VirtualMemory } from '../../src/testing/virtual-memory.js';
import { explore, type Report, type VirtualThread } from '../../src/testing/explorer.js';
import { assert, sow, type Seed } from './world.js';

const BUCKET = 4;
/** The old owner, the new one, and the main thread. */
const OLD = 0;
const NEW = 1;
const PARTIES = 3;

export interface BucketScenario {
  /** Parties that send, and how many messages each. */
  readonly senders: readonly (readonly [party: number, messages: number])[];
  readonly seeds?: readonly Seed[];
}

export function bucketMove({ senders, seeds = [] }: BucketScenario): Report {
  const memory = new VirtualMemory();
  const url = new URL('../../src/balance/table.js', import.meta.url);
  const { BucketTable } = memory.load<typeof Table>(url, (text, of) => sow(text, of, seeds).text);
  const { Atomics, Int32Array, SharedArrayBuffer } = memory.globals;
  const shared = {
    reactors: PARTIES - 1,
    runtime: new SharedArrayBuffer(runtimeLayout.bytes),
    buckets: new SharedArrayBuffer(PARTIES * bucketsStride(PARTIES)),
  } as unknown as ConstructorParameters<typeof Table.BucketTable>[0];
  memory.name(shared.runtime, 'runtime', runtimeLayout);
  for (let party = 0; party < PARTIES; party++) {
    const at = party * bucketsStride(PARTIES);
    memory.name(shared.buckets, `buckets${party}`, bucketsLayout, at, at + bucketsStride(PARTIES));
  }
  const tableOf = (party: number): Table.BucketTable => new BucketTable(shared, party);
  // What lies in the lanes to the old owner, and whether the bucket has gone.
  const lanes = new Int32Array(new SharedArrayBuffer(4 * (PARTIES + 1)));
  memory.name(lanes.buffer as SharedArrayBuffer, 'lanes');
  const GONE = PARTIES;

  const sending = senders.map(([party, messages]): VirtualThread => {
    const table = tableOf(party);
    const my = { left: messages, entered: false };
    return {
      name: `sender${party}`, owns: [my],
      step() {
        if (my.left === 0) return 'done';
        const owner = table.enter(BUCKET);
        if (owner < 0) table.leave(BUCKET);
        if (owner === OLD) {
          assert(Atomics.load(lanes, GONE) === 0, () => `party ${party} sends to the old owner after the bucket went`);
          Atomics.add(lanes, party, 1);
        }
        my.left--;
      },
    };
  });

  const mover = { isDone: false };
  const moverTable = tableOf(PARTIES - 1);
  const owner = { taken: Array.from({ length: PARTIES }, () => 0), isDone: false };
  const table = tableOf(OLD);
  const { taken } = table.figures[OLD]!;
  return explore({
    memory,
    threads: [
      ...sending,
      {
        name: 'mover', owns: [mover],
        step() {
          if (mover.isDone) return 'done';
          moverTable.begin(BUCKET, 0, NEW);
          mover.isDone = true;
        },
      },
      {
        name: 'old owner', owns: [owner], mayWait: true,
        step() {
          if (owner.isDone) return 'done';
          const word = table.word(BUCKET);
          if (word === 0) return 'wait';
          for (const [party] of senders) {
            const sent = Atomics.load(lanes, party);
            taken[party * (taken.length / PARTIES) + BUCKET] = sent;
          }
          if (senders.some(([party]) => table.missing(party, BUCKET) !== 0)) return 'wait';
          Atomics.store(lanes, GONE, 1);
          table.settle(BUCKET, word, NEW);
          owner.isDone = true;
        },
      },
    ],
    atEnd() {
      assert(owner.isDone, () => 'the bucket never goes');
      for (const [party] of senders) {
        const left = Atomics.load(lanes, party) - taken[party * (taken.length / PARTIES) + BUCKET]!;
        assert(left === 0, () => `${left} messages of party ${party} lie with the old owner`);
      }
    },
  });
}
