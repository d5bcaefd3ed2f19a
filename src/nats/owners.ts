/**
 * Keyed work across several machines: who runs the messages of which range of buckets. There is no leader. All read one
 * table at the broker, and each takes and gives ranges until all have about the same number.
 *
 *      alive: a sign of life each quarter of a lease         a range is free, or its owner was silent: take it
 *      own lease is over: no step runs any more              another has taken a range: it is lost
 *
 *
 * Clocks are not compared. An observer counts from the moment when it saw a sign, the owner from the moment when it
 * sent it, which is earlier. So the owner stops before anybody takes its ranges, provided that their clocks run at
 * about the same rate.
 *
 * Each time that a range is taken, it gets a consumer of its own, named by its epoch, which begins at the first message
 * that the previous consumer had not acknowledged. The previous one is deleted, so that what a late owner acknowledges
 * reaches nobody, and it gets no more messages. After a lost connection everything begins anew for the same reason, and
 * with a new consumer: whatever was on its way would arrive after newer messages of its key.
 */
import { randomBytes } from 'node:crypto';
import { checkFunction, messageOf, PercoreError } from '../errors.js';
import { bucketOf, hashKey } from '../reactor/index.js';
import { checkKey } from '../reactor/internal.js';
import type { Nats } from './bridge.js';
import { checkOwners, type NatsOwnersOptions, type NatsOwnerStep, type OwnersSettings } from './owners-options.js';
import { linkClosed } from './failures.js';
import { OwnedRange } from './owned-range.js';
import { Lease } from './lease.js';
import type { LinkPart, NatsLink } from './link.js';
import { linkOf } from './nats.js';
import type { NatsOwners, NatsOwnersStatus } from './owners-types.js';
import { planShares } from './shares.js';
import { checkTakes } from './streams.js';
import { rangeOf } from './subjects.js';
import { EPOCH_LEAP, NO_ENTRY, OwnersTable, SPOILT, type RangeEntry } from './table.js';

export class Owners implements NatsOwners, LinkPart {
  readonly kind = 'owner';
  readonly machine: string;
  private readonly held = new Map<number, OwnedRange>();
  private readonly entries: RangeEntry[];
  private readonly lease: Lease;
  private readonly busy = new Set<number>();
  private readonly restsUntilMs = new Map<number, number>();
  private isSynced = false;
  private isLeaving = false;
  private isOver = false;
  private readonly timer: NodeJS.Timeout;
  private leaving: Promise<void> | undefined;
  private readonly counts = { taken: 0, given: 0, lost: 0, acknowledged: 0 };

  constructor(
    readonly link: NatsLink, readonly settings: OwnersSettings, private readonly table: OwnersTable,
    readonly step: NatsOwnerStep,
  ) {
    // One that is started again under the same name counts as another machine.
    this.machine = `${settings.machine}-${randomBytes(4).toString('hex')}`;
    this.lease = new Lease(this.machine, settings.leaseMs, table, () => this.doubt());
    this.entries = Array.from({ length: settings.ranges }, () => NO_ENTRY);
    table.onAnew = () => this.isAnew();
    link.parts.add(this);
    this.timer = setInterval(() => this.look(), settings.leaseMs / 8);
  }

  /** Gives its first sign of life and reads the table. */
  async begin(): Promise<void> {
    await this.link.patiently(() => this.lease.beat());
    this.watch();
  }

  owns(key: string | Uint8Array): boolean {
    const bytes = typeof key === 'string' ? Buffer.from(key) : checkKey(key);
    const range = rangeOf(bucketOf(hashKey(bytes)), this.settings.ranges);
    return this.isAlive() && this.held.get(range)?.isSure === true;
  }

  /** No other can have taken its ranges yet. */
  isAlive(): boolean {
    return !this.isOver && this.lease.holds;
  }

  // ---- What is looked at all the time -------------------------------------------------------------------------------

  private look(): void {
    if (!this.link.isOnline || this.isOver) return;
    const { lease } = this;
    const now = performance.now();
    if (!lease.holds) this.doubt();
    if (lease.isBeatDue) {
      lease.beat().catch((error: unknown) => this.restoreTable().catch(() => this.note('give a sign of life', error)));
    }
    // Its consumer was lost with a broker of a cluster, and the client has not noticed.
    if (lease.holds && lease.isDeaf) this.watch();
    if (!this.isSynced || this.isLeaving || !lease.holds) return;
    // What it is not sure of, and what an answer that came too late has made its own.
    this.entries.forEach(({ owner }, range) => {
      const own = this.held.get(range);
      const isMissing = own === undefined && owner === this.machine && (this.restsUntilMs.get(range) ?? 0) <= now;
      if (own?.isSure === false || isMissing) this.work(range, () => this.take(range));
    });
    this.share(now);
    // Whoever may not do that, or cannot now, leaves it to the others.
    for (const machine of lease.departed()) this.table.sweep(machine).catch(() => undefined);
  }

  /** Somebody may have deleted the table. Rejects if that is not why the broker has refused something. */
  private async restoreTable(): Promise<void> {
    if (!await this.table.restore(this.entries)) throw new Error('the table is there');
    const message = `the table of owners of "${this.settings.name}" was deleted, and is made anew as it is known here`;
    this.link.note(new PercoreError('ERR_PERCORE_BROKER_REFUSED', message), 'an owner of ranges');
  }

  /** The table was made anew. What stood in the old one holds until the new one says otherwise. */
  private isAnew(): void {
    this.entries.forEach((entry, range) => (this.entries[range] = { ...entry, revision: 0 }));
    this.doubt();
    this.lease.hurry();
    this.watch();
  }

  private share(now: number): void {
    const { take, give } = planShares({
      own: this.machine, machines: this.lease.living(), owners: this.entries.map(({ owner }) => owner),
    });
    for (const range of take) if ((this.restsUntilMs.get(range) ?? 0) <= now) this.work(range, () => this.take(range));
    for (const range of give) this.work(range, () => this.give(range));
  }

  /** One thing at a time for each range. */
  private work(range: number, what: () => Promise<void>): void {
    if (this.busy.has(range)) return;
    this.busy.add(range);
    what().catch((error: unknown) => this.note(`see to range ${range}`, error)).finally(() => this.busy.delete(range));
  }

  private note(what: string, error: unknown): void {
    if (this.isOver || !this.link.isOnline) return;
    const message = `cannot ${what} of "${this.settings.name}": ${messageOf(error)}; it is tried again`;
    this.link.note(new PercoreError('ERR_PERCORE_BROKER_REFUSED', message, { cause: error }), 'an owner of ranges');
  }

  // ---- Ranges -------------------------------------------------------------------------------------------------------

  /** Takes a range, or takes again one that it holds but is not sure of. */
  private async take(range: number): Promise<void> {
    const before = this.held.get(range);
    const found = this.entries[range]!;
    const entry = before !== undefined && found.owner !== this.machine ? undefined
      : await this.change(range, { ...found, owner: this.machine, epoch: found.epoch + 1 });
    if (entry === undefined) {
      if (before !== undefined) this.lose(before);
      return;
    }
    const { lapses } = this.lease;
    // What was given out here runs to its end; the next consumer begins where this one has stopped.
    if (before !== undefined && !await before.finish()) return;
    const own = new OwnedRange(this, range, entry);
    try {
      this.learn(range, await own.open(this.table, found, before));
    } catch (error) {
      own.end();
      if (before !== undefined) this.lose(before);
      this.restsUntilMs.set(range, performance.now() + this.settings.leaseMs);
      if (this.link.isOnline) await this.release(range);
      throw error;
    }
    this.held.set(range, own);
    this.counts.acknowledged += before?.end() ?? 0;
    if (before === undefined) this.counts.taken++;
    // It was lost while it was being opened, or may have been.
    if (lapses !== this.lease.lapses) own.isSure = false;
    if (this.entries[range]!.owner !== this.machine) this.lose(own);
  }

  /**
   * Another may have taken its ranges meanwhile: no step runs until the table has said that they still belong to it.
   */
  private doubt(): void {
    for (const own of this.held.values()) own.isSure = false;
  }

  private async give(range: number): Promise<void> {
    const own = this.held.get(range);
    if (own === undefined) return this.release(range);
    if (!await own.finish() || this.held.get(range) !== own) return;
    this.held.delete(range);
    this.counts.acknowledged += own.end();
    await this.tellLeaves(own, false);
    this.counts.given++;
    await this.release(range);
  }

  private async release(range: number): Promise<void> {
    const entry = this.entries[range]!;
    if (entry.owner === this.machine) await this.change(range, { ...entry, owner: '' });
  }

  /** Changes an entry that is as it is known here: the new one, or undefined. */
  private async change(range: number, entry: RangeEntry): Promise<RangeEntry | undefined> {
    const changed = await this.table.change(range, entry);
    if (changed !== undefined) this.learn(range, changed);
    else await this.askFor(range);
    return changed;
  }

  /** Another was quicker; or what was told here was lost with a broker of a cluster, and never became true. */
  private async askFor(range: number): Promise<void> {
    const before = this.entries[range]!;
    const asked = await this.table.ask(range);
    // What was told meanwhile is newer than the answer, which may have come before it and been taken up after it: with
    // the answer this reactor would wait for ever for an owner who has given the range up.
    if (this.entries[range] === before) this.entries[range] = this.legible(range, asked);
  }

  /**
   * An entry as it can be used. One that somebody has deleted or overwritten counts as free, and its epoch as ahead of
   * all that is known: below the revision lie all epochs of a table that was never made anew.
   */
  private legible(range: number, entry: RangeEntry): RangeEntry {
    if (entry.epoch !== SPOILT) return entry;
    const { epoch, start, stream } = this.entries[range]!;
    const message = `the owner of range ${range} of "${this.settings.name}" was deleted in the table, or overwritten `
      + 'by something else: it counts as free';
    this.link.note(new PercoreError('ERR_PERCORE_BROKER_REFUSED', message), 'an owner of ranges');
    return { ...entry, start, stream, epoch: Math.max(epoch, entry.revision) + EPOCH_LEAP };
  }

  private learn(range: number, entry: RangeEntry): void {
    if (entry.revision > this.entries[range]!.revision) this.entries[range] = entry;
  }

  private lose(own: OwnedRange): void {
    const { range } = own.range;
    if (this.held.get(range) === own) this.held.delete(range);
    this.counts.acknowledged += own.end();
    this.counts.lost++;
    void this.tellLeaves(own, true);
  }

  /** What the user's function throws is reported, and keeps no range from going. */
  private async tellLeaves({ range }: OwnedRange, isLost: boolean): Promise<void> {
    try {
      await this.settings.onRangeLeaves?.(range, isLost);
    } catch (error) {
      this.link.party.reportError(error, `onRangeLeaves of "${this.settings.name}"`);
    }
  }

  // ---- The table and the connection ---------------------------------------------------------------------------------

  private watch(): void {
    this.isSynced = false;
    this.lease.listens();
    this.table.watch({
      onMachine: (machine, isThere) => this.lease.note(machine, isThere),
      onRange: (range, entry) => {
        const known = this.entries[range];
        if (known === undefined || known.revision >= entry.revision) return;
        this.entries[range] = this.legible(range, entry);
        const own = this.held.get(range);
        if (own !== undefined && entry.owner !== this.machine) this.lose(own);
      },
      onSynced: () => {
        this.lease.forgive(this.entries.map(({ owner }) => owner));
        this.isSynced = true;
      },
    });
  }

  offline(): void {
    this.isSynced = false;
    this.doubt();
    this.table.stop();
  }

  online(): void {
    this.lease.hurry();
    this.watch();
  }

  drain(): Promise<void> {
    return this.leave();
  }

  leave(): Promise<void> {
    return (this.leaving ??= this.goAway());
  }

  private async goAway(): Promise<void> {
    this.isLeaving = true;
    while (this.busy.size !== 0 && !this.isOver) await new Promise((resolve) => setTimeout(resolve, 5));
    try {
      await Promise.all([...this.held.keys()].map((range) => this.give(range)));
      await this.table.forget(this.machine);
    } catch (error) {
      this.note('leave', error);
    }
    this.end();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.timer);
    this.table.stop();
    this.link.parts.delete(this);
    for (const own of this.held.values()) this.counts.acknowledged += own.end();
    this.held.clear();
  }

  status(): NatsOwnersStatus {
    const living = this.lease.living();
    const own = [...this.held.values()];
    return {
      machine: this.machine, isAlive: this.isAlive(), machines: living.size,
      ranges: [...this.held.keys()].sort((a, b) => a - b),
      free: this.entries.filter(({ owner }) => !living.has(owner)).length,
      taken: this.counts.taken, given: this.counts.given, lost: this.counts.lost,
      acknowledged: own.reduce((sum, { acknowledged }) => sum + acknowledged, this.counts.acknowledged),
      inFlight: own.reduce((sum, { inFlight }) => sum + inFlight, 0),
    };
  }
}

/**
 * Shares the messages of a stream by key among all reactors of all machines that join under the same name. Each gets
 * about the same number of ranges of buckets. `step` runs there for the messages of its ranges; those of one key run in
 * order, and each is acknowledged when it is done, as by `createNatsConsumer`. When a machine dies or is cut off, the
 * others take over its ranges after a lease, and go on with the first message that was not acknowledged. So a step may
 * run twice for one message, once on each side; `message.id` shows that.
 *
 *     const owners = await joinOwners(nats, { name: 'books', stream: 'ORDERS', subject: 'orders' },
 *       async (message) => results.stored(match(message), { key: symbolOf(message), id: `${message.id}-result` }));
 *
 * Resolves when it has joined; ranges come later. Rejects with ERR_PERCORE_BROKER_REFUSED (there is no such stream, or
 * it takes no such subject), _BROKER_UNAVAILABLE (@nats-io/kv is missing), _NAME_TAKEN (this reactor has joined under
 * the name already), _CLOSED, _INVALID_ARGUMENT. Source of the idea: leases (Gray and Cheriton), fenced by
 * epochs as in Chubby; cursors that begin at what was acknowledged, as in a consumer group of Kafka.
 */
export async function joinOwners(
  nats: Nats, options: NatsOwnersOptions, step: NatsOwnerStep,
): Promise<NatsOwners> {
  const link = linkOf(nats);
  const settings = checkOwners(options, link.party);
  checkFunction('step', step);
  if (link.isClosed) throw linkClosed();
  checkNotJoined(link, settings.name);
  await checkTakes(link, settings.consumer.stream, settings.subject, `join "${settings.name}"`);
  const { name, ranges, replicas } = settings;
  const table = await OwnersTable.open(link, { name: `${name}-owners`, ranges, replicas });
  checkNotJoined(link, settings.name);
  const owners = new Owners(link, settings, table, step);
  try {
    await owners.begin();
  } catch (error) {
    owners.end();
    if (error instanceof PercoreError) throw error;
    throw link.refusal(error, `join "${name}"`);
  }
  return owners;
}

function checkNotJoined(link: NatsLink, name: string): void {
  for (const part of link.parts) {
    if (part instanceof Owners && part.settings.name === name) {
      const message = `this reactor has joined "${name}" already; leave() ends that, or choose another name`;
      throw new PercoreError('ERR_PERCORE_NAME_TAKEN', message, { argument: 'name', value: name });
    }
  }
}
