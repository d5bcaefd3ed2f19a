/**
 * The lanes of one party: outlets to its peers, inlets from them, made on first use. Keeps what is unpublished until the step ends, what
 * is full until there is room, and what must wait for that room out of native's sight.
 */
import { BANDS, LANES_PER_PEER, deliveryLayout } from '../layout.js';
import type { VariableQueue } from '../queues/index.js';
import { Inlet, bandOfLane, type InletHost } from './inlet.js';
import { Outlet, type OutletHost } from './outlet.js';
import { summon } from './parking.js';
import { RuntimeBlock, laneAt, partyWords, type SharedRuntime } from './shared.js';
import type { WaitingHost } from './waiting-line.js';

/** What the lanes need of their reactor. */
export interface IntercoreHost extends InletHost {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly counters: Float64Array;
  readonly publishEvery: { readonly records: number; readonly ns: number };
  readonly nowNs: () => number;
  readonly delivery: Int32Array;
  readonly waits: WaitingHost;
  /** See OutletHost. */
  readonly runningBand: number;
  /** A turn must follow: something is unpublished. */
  wantTurn(): void;
  wake(eventFd: number): void;
}

const IS_MUTED = deliveryLayout.fields.isMuted.at >> 2;

/** Something with unpublished records: an outlet, or a producer of a queue that the user made. */
export interface Flushable {
  flush(): unknown;
  /** Of an outlet. What has none comes first: an answer may say that it is there. */
  readonly band?: number;
}

export class Intercore implements OutletHost {
  readonly id: number;
  readonly shared: SharedRuntime;
  readonly counters: Float64Array;
  readonly publishEvery: { readonly records: number; readonly ns: number };
  readonly nowNs: () => number;
  readonly block: RuntimeBlock;
  readonly waits: WaitingHost;
  private readonly outlets: (Outlet | undefined)[] = [];
  private readonly inlets: (Inlet | undefined)[] = [];
  private readonly parties: Int32Array[];
  private readonly wakers: (() => void)[];
  /** The first `dirtyCount` have something unpublished, the highest band first. Never shortened: setting a length costs more than a step. */
  private readonly dirty: Flushable[] = [];
  dirtyCount = 0;
  /** This party has left. */
  isClosed = false;
  private seenDeaths = 0;

  constructor(private readonly host: IntercoreHost) {
    this.id = host.id;
    this.shared = host.shared;
    this.counters = host.counters;
    this.publishEvery = host.publishEvery;
    this.nowNs = host.nowNs;
    this.waits = host.waits;
    this.block = new RuntimeBlock(host.shared.runtime);
    this.parties = host.shared.inboxes.map(partyWords);
    this.wakers = host.shared.eventFds.map((fd) => () => host.wake(fd));
  }

  outlet(to: number, lane: number): Outlet {
    const index = to * LANES_PER_PEER + lane;
    return this.outlets[index] ?? (this.outlets[index] = new Outlet(this, to, lane, bandOfLane(lane)));
  }

  /** The lane that native reports as `number`. */
  inlet(number: number): Inlet {
    return this.inlets[number] ?? this.openInlet(number);
  }

  /** Publishes everything sent; the end of each quantum does it. */
  flush(): void {
    for (let i = 0; i < this.dirtyCount; i++) this.dirty[i]!.flush();
    this.dirtyCount = 0;
  }

  /** Native reports the lane no more, or again. */
  setMuted(inlet: Inlet, isMuted: boolean): void {
    this.host.delivery[IS_MUTED + inlet.number] = isMuted ? 1 : 0;
  }

  /** The reactors that have died since the last look. */
  takeDeaths(): number[] {
    const deaths = this.block.deaths();
    if (deaths === this.seenDeaths) return [];
    this.seenDeaths = deaths;
    return Array.from({ length: this.shared.reactors }, (_, id) => id).filter((id) => this.block.isDead(id));
  }

  /** True when nothing can be sent there: that reactor has died, or this party has left. */
  isDead(id: number): boolean {
    return this.isClosed || (this.seenDeaths !== 0 && this.block.isDead(id));
  }

  /** True when nothing is unpublished or waiting to be read. */
  isQuiet(): boolean {
    return this.dirtyCount === 0 && this.inlets.every((inlet) => inlet === undefined || !inlet.hasRecords());
  }

  // ---- For outlets ----------------------------------------------------------------------------------------------

  party(id: number): Int32Array {
    return this.parties[id]!;
  }

  waker(id: number): () => void {
    return this.wakers[id]!;
  }

  get runningBand(): number {
    return this.host.runningBand;
  }

  markDirty(producer: Flushable): void {
    const { dirty } = this;
    const band = producer.band ?? BANDS;
    let at = this.dirtyCount++;
    // Most often one lane or two are dirty, and nothing moves.
    for (; at > 0 && (dirty[at - 1]!.band ?? BANDS) < band; at--) dirty[at] = dirty[at - 1]!;
    dirty[at] = producer;
    this.host.wantTurn();
  }

  publishDownTo(outlet: Outlet): void {
    for (let i = 0; i < this.dirtyCount; i++) {
      const other = this.dirty[i]!;
      if ((other.band ?? BANDS) <= outlet.band) break;
      if (other instanceof Outlet && other.to === outlet.to) other.publish();
    }
    outlet.publish();
  }

  private openInlet(number: number): Inlet {
    const from = Math.floor(number / LANES_PER_PEER);
    const lane = number % LANES_PER_PEER;
    const queue: VariableQueue = { kind: 'spsc', backend: 'fixed', maxProducers: 1, maxConsumers: 1, buffer: this.shared.inboxes[this.id]!, byteOffset: laneAt(this.shared, from, lane), capacity: this.shared.laneBytes, recordBytes: 0, fixed: false };
    const producer = this.parties[from]!;
    const inlet = new Inlet(this.host, queue, number, from, bandOfLane(lane), () => summon(producer, this.wakers[from]!));
    this.inlets[number] = inlet;
    return inlet;
  }
}
