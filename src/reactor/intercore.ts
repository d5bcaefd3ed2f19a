/** The lanes of one party: outlets to its peers and inlets from them, each made at its first use. */
import { LANES_PER_PEER } from '../layout.js';
import type { VariableQueue } from '../queues/index.js';
import { Inlet, bandOfLane, type Receiver } from './inlet.js';
import { Outlet } from './outlet.js';
import { summon } from './parking.js';
import type { Peers } from './peers.js';
import { isLaneMade, laneAt, type SharedRuntime } from './shared.js';
import type { ByteTask } from './task.js';
import type { Turn } from './turn.js';

export class Intercore {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly counters: Float64Array;
  readonly nowNs: () => number;
  private readonly outlets: (Outlet | undefined)[] = [];
  private readonly inlets: (Inlet | undefined)[] = [];

  constructor(private readonly turn: Turn, private readonly peers: Peers, private readonly receiver: Receiver) {
    this.id = turn.id;
    this.shared = peers.shared;
    this.counters = turn.counters;
    this.nowNs = turn.nowNs;
  }

  /** The sending end of a lane to party `to`. Allocates at the first use of the lane. */
  outlet(to: number, lane: number): Outlet {
    const index = to * LANES_PER_PEER + lane;
    return this.outlets[index] ?? (this.outlets[index] = new Outlet(this.turn, this.peers, to, lane, bandOfLane(lane)));
  }

  /** The receiving end of the lane that native reports as `number`. Allocates at the first use of the lane. */
  inlet(number: number): Inlet {
    return this.inlets[number] ?? (this.inlets[number] = this.openInlet(number));
  }

  /** The task of bytes has ended. */
  forget(task: ByteTask): void {
    for (const inlet of this.inlets) inlet?.forget(task);
  }

  /** True when nothing waits to be read. */
  isEmpty(): boolean {
    return this.inlets.every((inlet) => inlet === undefined || !inlet.hasRecords());
  }

  /** True when nothing from party `from` waits in these lanes, a bit each, whether native has reported it or not. */
  isEmptyFrom(from: number, lanes: number): boolean {
    for (let lane = 0; lane < LANES_PER_PEER; lane++) {
      if ((lanes & (1 << lane)) === 0 || !isLaneMade(this.shared.inboxes[this.id]!, from, lane)) continue;
      if (this.inlet(from * LANES_PER_PEER + lane).hasRecords()) return false;
    }
    return true;
  }

  private openInlet(number: number): Inlet {
    const { shared, peers } = this;
    const from = Math.floor(number / LANES_PER_PEER);
    const lane = number % LANES_PER_PEER;
    const queue: VariableQueue = {
      kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, fixed: false, recordBytes: 0,
      buffer: shared.inboxes[this.id]!, byteOffset: laneAt(shared, from, lane), capacity: shared.laneBytes,
    };
    const producer = peers.words(from);
    const wake = peers.waker(from);
    return new Inlet(this.turn, this.receiver, queue, number, from, () => summon(producer, wake));
  }
}
