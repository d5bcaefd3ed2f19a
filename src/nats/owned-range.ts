/** One range that a reactor owns: its consumer, from the first message to the last that is acknowledged. */
import { BACK_PRESSURED } from '../result-codes.js';
import type { StepResult } from '../reactor/index.js';
import { WaitingLine } from '../reactor/internal.js';
import { noteRefusal } from '../refusals.js';
import { openConsumer, type StreamConsumer } from './consumer.js';
import { findPlace, removePlace } from './consumer-place.js';
import type { NatsMessage } from './consumer-types.js';
import type { NatsLink } from './link.js';
import { rangeAt, type NatsOwnerStep, type NatsRange, type OwnersSettings } from './owners-options.js';
import { EPOCH_LEAP, type OwnersTable, type RangeEntry } from './table.js';

interface RangeHost {
  readonly link: NatsLink;
  readonly settings: OwnersSettings;
  readonly step: NatsOwnerStep;
  isAlive(): boolean;
}

/** How many epochs it looks through that were taken but never opened, by owners that died in between. */
const MOST_UNOPENED = 16;

export class OwnedRange {
  readonly range: NatsRange;
  private consumer: StreamConsumer | undefined;
  private hasEnded = false;
  private sure = true;
  private onDoubt = (): void => undefined;
  /** Messages that wait until the lease holds again. */
  private readonly line: WaitingLine;

  constructor(private readonly host: RangeHost, range: number, private readonly entry: RangeEntry) {
    this.range = rangeAt(range, entry.epoch, host.settings.ranges);
    this.line = new WaitingLine(host.link.party.turn.waits, {
      askForRoom: () => this.mayRun(), unitsOf: (messages) => messages, isOver: () => this.hasEnded,
      describe: () => `the lease of range ${range}`,
    });
  }

  /** The table has said that the range is this reactor's, and nothing has happened since that makes it doubtful. */
  get isSure(): boolean { return this.sure; }
  set isSure(isSo: boolean) {
    this.sure = isSo;
    if (isSo) this.line.mayHaveRoom();
    else this.onDoubt();
  }

  private mayRun(): boolean {
    return this.sure && this.host.isAlive();
  }

  private run(message: NatsMessage): StepResult {
    if (this.mayRun()) return this.host.step(message, this.range);
    // The lease may have ended while nobody looked.
    this.isSure = false;
    noteRefusal(this.line, 1);
    return BACK_PRESSURED;
  }

  get acknowledged(): number { return this.consumer?.status().acknowledged ?? 0; }
  get inFlight(): number { return this.consumer?.status().inFlight ?? 0; }
  /** The first message that it was not given; 1 if it was given none. */
  get next(): number { return this.consumer?.next ?? 1; }

  /**
   * Finds how far the previous consumer has come, says so in the table, ends that consumer, and reads on. `found` is
   * what the table had; `before` is the consumer, if it was here. Returns the entry.
   */
  async open(table: OwnersTable, found: RangeEntry, before: OwnedRange | undefined): Promise<RangeEntry> {
    const { link, settings } = this.host;
    const { range } = this.range;
    const last = await this.lastConsumer(found.epoch);
    const start = Math.max(found.start, last.floor + 1, before?.next ?? 1);
    const entry = await table.change(range, { ...this.entry, start });
    if (entry === undefined) throw new Error('another has taken it');
    if (last.epoch !== 0) await removePlace(link, settings.consumer.stream, this.nameOf(last.epoch));
    if (before === undefined) await settings.onRangeArrives?.(this.range);
    this.consumer = await openConsumer(
      link, { ...settings.consumer, name: this.nameOf(entry.epoch), subject: `${settings.subject}.${range}.>` },
      (message) => this.run(message),
      // The broker had no leader for it, or has forgotten it: the range is taken again.
      { start, isFenced: true, onLost: () => (this.isSure = false) },
    );
    if (this.hasEnded) this.consumer.close();
    return entry;
  }

  private nameOf(epoch: number | ''): string {
    return `${this.host.settings.name}-${this.range.range}-${epoch}`;
  }

  /**
   * The last consumer that was opened, up to that epoch, and the message up to which it had acknowledged everything.
   */
  private async lastConsumer(epoch: number): Promise<{ epoch: number; floor: number }> {
    const { link, settings } = this.host;
    for (let each = epoch; each > Math.max(0, epoch - MOST_UNOPENED); each--) {
      const found = await findPlace(link, settings.consumer.stream, this.nameOf(each));
      if (found !== undefined) return { epoch: each, floor: found.ack_floor.stream_seq };
    }
    return epoch < EPOCH_LEAP ? { epoch: 0, floor: 0 } : this.lastOfAnotherTable();
  }

  /** The same, where its epoch is far from those of today, since the table was made anew. */
  private async lastOfAnotherTable(): Promise<{ epoch: number; floor: number }> {
    const { link, settings } = this.host;
    const own = this.nameOf('');
    let last = { epoch: 0, floor: 0 };
    for await (const { name, ack_floor: floor } of link.manager.consumers.list(settings.consumer.stream)) {
      const epoch = name.startsWith(own) ? Number(name.slice(own.length)) : 0;
      if (epoch > last.epoch) last = { epoch, floor: floor.stream_seq };
    }
    return last;
  }

  /**
   * It is this reactor's now: runs what it was given, and reads nothing more. False where that has become doubtful
   * before it was done: what is left waits until the table has been asked again.
   */
  async finish(): Promise<boolean> {
    this.isSure = true;
    const doubt = new Promise<void>((resolve) => (this.onDoubt = resolve));
    await Promise.race([this.consumer?.drain(), doubt]);
    return this.sure;
  }

  /** Stops reading. Returns how many messages it has acknowledged. */
  end(): number {
    this.hasEnded = true;
    const count = this.acknowledged;
    this.consumer?.close();
    this.line.mayHaveRoom();
    return count;
  }
}
