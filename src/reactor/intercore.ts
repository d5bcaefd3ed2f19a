/** The lanes of one party: outlets to its peers and inlets from them, each made at its first use. */
import { LANES_PER_PEER } from '../layout.js';
import { Inlet, bandOfLane, type Receiver } from './inlet.js';
import { laneQueue } from './lanes.js';
import { HeardName } from './names.js';
import type { NamesToKeep } from './kept-names.js';
import { Outlet } from './outlet.js';
import { summon } from './parking.js';
import type { Peers } from './peers.js';
import { isLaneMade, type SharedRuntime } from './shared.js';
import type { ByteTask } from './task.js';
import type { Turn } from './turn.js';

export class Intercore {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly counters: Float64Array;
  readonly nowNs: () => number;
  private readonly outlets: (Outlet | undefined)[] = [];
  private readonly inlets: (Inlet | undefined)[] = [];

  /** `names`: what earlier threads have heard, and who keeps what this one hears. */
  constructor(
    private readonly turn: Turn, private readonly peers: Peers, private readonly receiver: Receiver,
    private readonly names: NamesToKeep | undefined,
  ) {
    this.id = turn.id;
    this.shared = peers.shared;
    this.counters = turn.counters;
    this.nowNs = turn.nowNs;
  }

  /** Nobody there will ever read what is sent. */
  isDead(to: number): boolean {
    return this.peers.isDead(to);
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

  /**
   * The thread of that party has ended. Its successor may have heard none of our names: if the reactor was taken away,
   * whatever it had not read was dropped.
   */
  forgetNames(to: number): void {
    for (let lane = 0; lane < LANES_PER_PEER; lane++) this.outlets[to * LANES_PER_PEER + lane]?.forgetNames();
  }

  /** The task of bytes has ended. */
  forget(task: ByteTask): void {
    for (const inlet of this.inlets) inlet?.forget(task);
  }

  /** True when nothing waits to be read. */
  isEmpty(): boolean {
    return this.inlets.every((inlet) => inlet === undefined || !inlet.hasRecords());
  }

  /**
   * True when nothing from party `from` waits in these lanes, one bit each, whether or not native code has reported it.
   */
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
    const producer = peers.words(from);
    const wake = peers.waker(from);
    const queue = laneQueue(shared, this.id, from, lane);
    const inlet = new Inlet(this.turn, this.receiver, queue, number, from, () => summon(producer, wake));
    if (this.names === undefined) return inlet;
    for (const [known, text] of this.names.known.get(number) ?? []) inlet.names[known] = new HeardName(text);
    inlet.onName = this.names.keep;
    return inlet;
  }
}
