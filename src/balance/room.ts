/**
 * The buckets of one party: what goes to them, what runs for them, and how they come and go.
 *
 *      main         old owner                                  new owner                        senders
 *      "it moves" ------------------------------------------------------------------------->   hold what comes now
 *      release --->  runs what was sent before, then
 *                    onBucketLeaves --- arrive(states) ------>  onBucketArrives
 *                                                               "it is mine" -------------->   send what they held
 *                    <--- settled --------------------------
 *      <--- moved --
 *
 * docs/decisions/2026-11-28-bucket-moves.md says why, and what a death at each moment leaves behind.
 */
import { isMoving, nextOwnerIn, ownerIn } from '../slot-word.js';
import { PercoreError } from '../errors.js';
import { BUCKETS, RETURN_LANES, SLOTS } from '../layout.js';
import { partyOf, summon, WaitingLine, type Party } from '../reactor/internal.js';
import type { Reactor, Runtime } from '../reactor/index.js';
import { BucketHooks, type BucketKeeper, type States } from './hooks.js';
import { watchProgress } from './progress.js';
import { deathsIn, fence, squareWithRestarted } from './restarted.js';
import { BucketTable } from './table.js';
import { Together } from './together.js';

/** The handler by which parties talk about buckets, in the highest band. */
const NAME = 'percore:buckets';
const BAND = 7;
/** Uses return lanes, whose readers wait for nothing: a step that waits for the end of a move never holds it up. */
const LANE = RETURN_LANES + BAND;
/** How long after a look that found unread messages of a dead sender the next look comes. */
const LOOK_AGAIN_NS = 200_000;

type Order =
  | { readonly ask: 'release' | 'adopt'; readonly slot: number; readonly word: number }
  | { readonly ask: 'arrive'; readonly slot: number; readonly word: number; readonly states: States }
  | { readonly ask: 'fence'; readonly to: number; readonly bands: number }
  | { readonly ask: 'rest' };

export class KeyRoom {
  readonly table: BucketTable;
  /** See restarted.ts: for all slots together. */
  readonly fences: Together;
  private readonly hooks: BucketHooks;
  /** Slots that are arriving here, and whose hooks are waited for. */
  private readonly arriving = new Map<number, Promise<number>>();
  /** Buckets that leave once all their messages have been taken. */
  private readonly leaving = new Map<number, WaitingLine>();
  /** Those who wait until a slot has settled. */
  private readonly lines = new Map<number, WaitingLine>();
  private readonly taken: Int32Array;
  private willLook = false;

  constructor(readonly party: Party) {
    this.table = new BucketTable(party.shared, party.id);
    this.hooks = new BucketHooks(party);
    this.fences = new Together((to, bands) => this.tell(to, { ask: 'fence', to: party.id, bands }));
    // What a thread before this one held here has gone with it.
    const own = this.table.figures[party.id]!;
    own.lost += own.waiting;
    own.waiting = 0;
    this.taken = this.table.figures[party.id]!.taken;
    party.dispatcher.addHandler(NAME, (order: never) => this.obey(order));
  }

  /** Throws ERR_PERCORE_NAME_TAKEN. */
  add(keeper: BucketKeeper): void {
    this.hooks.add(keeper);
    this.table.useStage(keeper.stage);
  }

  /** The keeper of this name here. */
  stageOf(name: string): number | undefined {
    return this.hooks.get(name)?.stage;
  }

  /** Tells another party's room, or this one's. */
  tell(to: number, order: Order, lane = LANE): Promise<unknown> {
    return this.party.calls.call(NAME, order, to, lane, {});
  }

  // ---- For those who send -------------------------------------------------------------------------------------------

  /** As `enter` of the table, but takes the message back if the slot moves. */
  enter(slot: number): number {
    // Usually one look suffices while it moves, and then its owner need not look again.
    if (isMoving(this.table.word(slot))) return -1;
    const owner = this.table.enter(slot);
    if (owner < 0) this.leave(slot);
    return owner;
  }

  /** A message that was entered was not sent after all. */
  leave(slot: number): void {
    const word = this.table.leave(slot);
    if (isMoving(word)) this.summon(ownerIn(word));
  }

  /**
   * Calls `then` once, later, when the slot has a living owner. Those who wait are called in the order in which they
   * came.
   */
  whenSettled(slot: number, then: () => void): void {
    this.lineOf(slot).whenRoom(1, then);
  }

  /** The line of those who wait until the slot has settled. */
  lineOf(slot: number): WaitingLine {
    const known = this.lines.get(slot);
    if (known !== undefined) return known;
    const line = this.newLine(`bucket ${slot % BUCKETS} to have settled`, () => {
      const word = this.table.word(slot);
      return !isMoving(word) && !this.party.peers.isDead(ownerIn(word));
    });
    this.lines.set(slot, line);
    return line;
  }

  // ---- For those who run what comes ---------------------------------------------------------------------------------

  /** A message of this slot has been run. */
  took(from: number, slot: number): void {
    this.taken[from * SLOTS + slot]!++;
    if (this.leaving.size !== 0) this.leaving.get(slot)?.mayHaveRoom();
  }

  /** Looks again whether buckets can leave: a sender may have died. */
  lookAgain(): void {
    this.willLook = false;
    for (const line of this.leaving.values()) line.mayHaveRoom();
  }

  // ---- Inside -------------------------------------------------------------------------------------------------------

  private obey(order: Order): unknown {
    switch (order.ask) {
      case 'release': return this.release(order.slot, order.word);
      case 'arrive': return this.arrive(order.slot, order.word, order.states);
      case 'adopt': return this.adopt(order.slot, order.word);
      case 'fence': return fence(this, order.to, order.bands);
      // A party that answers is between two steps, and none of its own messages is half sent.
      case 'rest': return undefined;
    }
  }

  /**
   * For the old owner: lets the slot go once everything that was sent to it has run. Returns how long it paused, in ns.
   */
  private release(slot: number, word: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const endWatch = watchProgress(this.party, this.table, slot, this.hooks.timeoutMs(slot), (error) => {
        this.leaving.delete(slot);
        this.settle(slot, word, this.party.id);
        reject(error);
      });
      this.letGo(slot, word, endWatch).then(resolve, reject).finally(endWatch);
    });
  }

  private async letGo(slot: number, word: number, endWatch: () => void): Promise<number> {
    for (;;) {
      this.check(slot, word, ownerIn(word));
      const deaths = deathsIn(this.party);
      await squareWithRestarted(this, slot);
      const pauseNs = await this.whenDone(
        slot,
        () => this.isDrained(slot) || deathsIn(this.party) !== deaths,
        () => {
          this.check(slot, word, ownerIn(word));
          if (!this.isDrained(slot)) return undefined;
          // From here on it is up to the hooks, which have limits of their own.
          endWatch();
          return this.handOver(slot, word);
        },
      );
      if (pauseNs !== undefined) return pauseNs;
    }
  }

  private async handOver(slot: number, word: number): Promise<number> {
    const beganNs = this.party.nowNs();
    const states: States = [];
    try {
      const leaving = this.hooks.leave(slot, states);
      // Most are there at once, and then nothing waits for the end of the turn.
      if (leaving !== undefined) await leaving;
      const settledNs = (await this.tell(nextOwnerIn(word), { ask: 'arrive', slot, word, states })) as number;
      return settledNs - beganNs;
    } catch (error) {
      // The new owner has refused it, or has died before it owned it.
      if (this.table.word(slot) === word) {
        const coming = this.hooks.giveBack(slot, states);
        if (coming !== undefined) await coming;
        this.settle(slot, word, this.party.id);
      }
      throw error;
    }
  }

  /** For the new owner: when it was settled. */
  private arrive(slot: number, word: number, states: States): number | Promise<number> {
    this.check(slot, word, nextOwnerIn(word));
    const unknown = states.find(([name]) => this.hooks.get(name) === undefined);
    if (unknown !== undefined) throw noKeeper(unknown[0], this.party.id);
    this.table.takeOver(slot, ownerIn(word));
    const coming = this.hooks.arrive(slot, new Map(states));
    if (coming === undefined) {
      this.settle(slot, word, this.party.id);
      return this.party.nowNs();
    }
    const arriving = coming.then(() => {
      if (this.settle(slot, word, this.party.id)) return this.party.nowNs();
      this.hooks.forget(slot);
      throw moveIsOver(slot);
    }).finally(() => this.arriving.delete(slot));
    this.arriving.set(slot, arriving);
    return arriving;
  }

  /** For the new owner, if the old one has died: it first reads what that one has published. */
  private async adopt(slot: number, word: number): Promise<void> {
    const { table, party } = this;
    const owner = ownerIn(word);
    // The dead owner has handed it over: it is here with its state, or has to come without.
    await this.arriving.get(slot)?.catch(() => undefined);
    await this.whenDone(slot, () => this.isReadOut(owner, 1 << LANE), async () => {
      // Settled by the last message that the dead owner has published.
      if (table.word(slot) !== word) return;
      this.check(slot, word, nextOwnerIn(word));
      const coming = this.hooks.arrive(slot, new Map());
      if (coming !== undefined) await coming;
      table.takeOver(slot, owner);
      for (const from of table.figures.keys()) table.forget(from, slot);
      this.settle(slot, word, party.id);
    });
  }

  private settle(slot: number, word: number, owner: number): boolean {
    const isSettled = this.table.settle(slot, word, owner);
    if (isSettled) this.summonAll();
    return isSettled;
  }

  /** A move has ended: whoever waits for it goes on. */
  summonAll(): void {
    for (const id of this.table.figures.keys()) this.summon(id);
  }

  /** Calls `then` as soon as `isDone`, at the end of a turn. */
  private whenDone<T>(slot: number, isDone: () => boolean, then: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const line = this.newLine(`bucket ${slot % BUCKETS} to leave`, isDone);
      this.leaving.set(slot, line);
      line.whenRoom(1, () => {
        if (this.leaving.get(slot) === line) this.leaving.delete(slot);
        if (this.party.isClosed) reject(new PercoreError('ERR_PERCORE_CLOSED', 'the runtime is closed'));
        else new Promise<T>((settle) => settle(then())).then(resolve, reject);
      });
    });
  }

  /** Everything that was sent to this slot has run, or will never come. */
  private isDrained(slot: number): boolean {
    const { table, party } = this;
    const stage = Math.floor(slot / BUCKETS);
    for (let from = 0; from < table.figures.length; from++) {
      if (table.missing(from, slot) === 0) continue;
      if (!party.peers.block.isDead(from) || !this.isReadOut(from, table.figures[from]!.bandsOf(stage))) return false;
      table.forget(from, slot);
    }
    return true;
  }

  /**
   * Nothing of this party, which is dead, waits to be read in these lanes. Other lanes are not looked at: one whose
   * first message waits for the end of this very move would hold it up.
   */
  private isReadOut(from: number, lanes: number): boolean {
    if (this.party.lanes.isEmptyFrom(from, lanes)) return true;
    // Its last message may not belong to a slot, so nothing would say when it has been read.
    if (!this.willLook) {
      this.willLook = true;
      this.party.timers.after({ delayNs: LOOK_AGAIN_NS, priority: BAND }, () => this.lookAgain());
    }
    return false;
  }

  private check(slot: number, word: number, meant: number): void {
    if (this.table.word(slot) === word && meant === this.party.id) return;
    throw moveIsOver(slot);
  }

  private newLine(what: string, isDone: () => boolean): WaitingLine {
    return new WaitingLine(this.party.turn.waits, {
      askForRoom: isDone,
      unitsOf: () => 1,
      isOver: () => this.party.isClosed,
      describe: () => what,
    });
  }

  private summon(id: number): void {
    const { peers } = this.party;
    summon(peers.words(id), peers.waker(id));
  }
}

const rooms = new WeakMap<Party, KeyRoom>();

/** The room of a reactor, or of a runtime's main thread; the first use makes it. */
export function roomOf(of: Reactor | Runtime): KeyRoom {
  return roomIn(partyOf(of));
}

export function roomIn(party: Party): KeyRoom {
  const known = rooms.get(party);
  if (known !== undefined) return known;
  const room = new KeyRoom(party);
  rooms.set(party, room);
  return room;
}

function noKeeper(name: string, reactorId: number): PercoreError {
  const message = `reactor ${reactorId} has no keyed task "${name}", so it cannot take what belongs to it. Make it in `
    + 'the entry of every reactor';
  return new PercoreError('ERR_PERCORE_NO_TASK', message, { argument: 'name', value: name, reactorId });
}

function moveIsOver(slot: number): PercoreError {
  const bucket = slot % BUCKETS;
  return new PercoreError('ERR_PERCORE_CLOSED', `the move of bucket ${bucket} is over`, { value: bucket });
}
