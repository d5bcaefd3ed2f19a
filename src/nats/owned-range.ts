/** One range that a reactor owns: its consumer, from the first message to the last that is acknowledged. */
import { PercoreError } from '../errors.js';
import { BACK_PRESSURED } from '../result-codes.js';
import type { StepResult } from '../reactor/index.js';
import { WaitingLine } from '../reactor/internal.js';
import { noteRefusal } from '../refusals.js';
import { openConsumer, type StreamConsumer } from './consumer.js';
import { findPlace, removePlace } from './consumer-place.js';
import type { NatsMessage } from './consumer-types.js';
import type { NatsLink } from './link.js';
import { rangeAt, type NatsOwnerStep, type NatsRange, type OwnersSettings } from './owners-options.js';
import { rangeOf } from './subjects.js';
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
  /** When the stream was made that it reads. */
  private stream = '';
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
    if (this.mayRun()) {
      this.checkRange(message);
      return this.host.step(message, this.range);
    }
    // The lease may have ended while nobody looked.
    this.isSure = false;
    noteRefusal(this.line, 1);
    return BACK_PRESSURED;
  }

  /** Of publishers that divide the buckets otherwise some messages come to another range, and others to nobody. */
  private checkRange({ bucket, subject }: NatsMessage): void {
    const { link, settings: { name, ranges } } = this.host;
    if (bucket < 0 || rangeOf(bucket, ranges) === this.range.range) return;
    link.note(new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `a message to "${subject}" was published with another number of \`ranges\` than the ${ranges} of "${name}": `
        + 'those of ranges beyond that are read by nobody. Give publishers and owners the same',
      { argument: 'ranges', value: ranges },
    ), 'an owner of ranges');
  }

  get acknowledged(): number { return this.consumer?.status().acknowledged ?? 0; }
  get inFlight(): number { return this.consumer?.status().inFlight ?? 0; }
  /** The first message of that stream that it was not given; 1 if it was given none. */
  private nextOf(stream: string): number {
    return stream === this.stream ? this.consumer?.next ?? 1 : 1;
  }

  /**
   * Finds how far the previous consumer has come, says so in the table, ends that consumer, and reads on. `found` is
   * what the table had; `before` is the consumer, if it was here. Returns the entry. Where the stream was deleted and
   * made anew, its messages count from 1 again, and nothing that was known of the old one says where to begin.
   */
  async open(table: OwnersTable, found: RangeEntry, before: OwnedRange | undefined): Promise<RangeEntry> {
    const { link, settings } = this.host;
    const { range } = this.range;
    const { created: stream } = await link.manager.streams.info(settings.consumer.stream);
    const last = await this.lastConsumer(found.epoch);
    const known = found.stream === stream || found.stream === '' ? found.start : 1;
    const start = Math.max(known, last.floor + 1, before?.nextOf(stream) ?? 1);
    const entry = await table.change(range, { ...this.entry, start, stream });
    this.stream = stream;
    if (entry === undefined) throw new Error('another has taken it');
    if (last.epoch !== 0) await removePlace(link, settings.consumer.stream, this.nameOf(last.epoch));
    if (before === undefined) await settings.onRangeArrives?.(this.range);
    this.consumer = await openConsumer(
      link, { ...settings.consumer, name: this.nameOf(entry.epoch), subject: `${settings.subject}.${range}.>` },
      (message) => this.run(message),
      // The broker had no leader for it, or has forgotten it: the range is taken again.
      { start, created: stream, isFenced: true, isInTurn: true, onLost: () => (this.isSure = false) },
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
    for await (const found of link.manager.consumers.list(settings.consumer.stream)) {
      // Null: it was deleted while they were listed.
      if (found === null) continue;
      const { name, ack_floor: floor } = found;
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
