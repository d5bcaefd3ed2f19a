/**
 * The table of owners: a key-value bucket of the broker. Each entry has a revision, and only a writer who knows it can
 * change the entry.
 *
 *      machine.<name>     a sign of life, written anew all the time
 *      range.<number>     { owner, epoch, start, stream }: who has it, for which time, and from which message on
 *      ranges             how many there are: the same for all
 */
import { invalidArgument, PercoreError } from '../errors.js';
import { openTable, type ClientTable } from './client.js';
import { jetStreamCode, NO_STREAM, WRONG_SEQUENCE } from './failures.js';
import type { NatsLink } from './link.js';
import { NotYet } from './patience.js';

/** A range as it stands in the table. */
export interface RangeEntry {
  /** '' if nobody has it. */
  readonly owner: string;
  /** How often the range was taken; part of the name of its consumer. SPOILT where the entry cannot be read. */
  readonly epoch: number;
  /** The first message that the consumer of this epoch gives out. */
  readonly start: number;
  /** When the stream was made in which `start` counts; '' where nothing of it was read yet. */
  readonly stream: string;
  /** 0 if it is not in the table yet. */
  readonly revision: number;
}

export interface TableHandlers {
  onMachine(machine: string, isThere: boolean): void;
  onRange(range: number, entry: RangeEntry): void;
  /** Everything that was in the table has been told. */
  onSynced(): void;
}

/** What has to be known of a table in order to make it anew. */
interface TableShape {
  readonly name: string;
  readonly ranges: number;
  readonly replicas: number;
}

/** What stands in the table of a range is no entry: somebody has deleted it there, or has written something else. */
export const SPOILT = -1;
export const NO_ENTRY: RangeEntry = { owner: '', epoch: 0, start: 1, stream: '', revision: 0 };
/** A table that is made anew is ahead by so many epochs of all that was taken and not known to whoever makes it. */
export const EPOCH_LEAP = 1000;
const MACHINE = 'machine.';
const RANGE = 'range.';

export class OwnersTable {
  private watching: { stop(): void } | undefined;
  private watches = 0;

  /** When it was made: another moment, and it is another table, whose revisions begin anew. */
  private created = '';
  /** Called when the table was deleted, and somebody has made it anew. */
  onAnew = (): void => undefined;

  private constructor(
    private table: ClientTable, private readonly link: NatsLink, private readonly shape: TableShape,
  ) {}

  private get stream(): string { return `KV_${this.shape.name}`; }

  static async open(link: NatsLink, shape: TableShape): Promise<OwnersTable> {
    const { name, ranges, replicas } = shape;
    let found: number;
    let table: ClientTable;
    try {
      table = await link.patiently(() => openTable(link.connection, name, { replicas }));
      found = await link.patiently(() => agreeOn(table, ranges));
    } catch (error) {
      if (error instanceof PercoreError) throw error;
      throw link.refusal(error, `open the table of owners "${name}"`);
    }
    if (!Number.isInteger(found)) {
      throw new PercoreError(
        'ERR_PERCORE_BROKER_REFUSED',
        `the table of owners "${name}" does not say how many ranges there are: something else has written to it. `
          + 'Delete it: those who live make it anew, and otherwise whoever comes first',
      );
    }
    if (found !== ranges) throw invalidArgument('ranges', ranges, `${found}, which all others of "${name}" have`);
    return new OwnersTable(table, link, shape);
  }

  /**
   * Makes the table anew if it has been deleted, and puts into it what it had, as far as it is `known` here. Resolves
   * true if it was missing.
   */
  async restore(known: readonly RangeEntry[]): Promise<boolean> {
    const isThere = await this.link.manager.streams.info(this.stream).then(() => true, (error: unknown) => {
      if (jetStreamCode(error) === NO_STREAM) return false;
      throw error;
    });
    if (isThere) return false;
    const { name, ranges, replicas } = this.shape;
    this.table = await openTable(this.link.connection, name, { replicas });
    // Another who does the same may be first with an entry, which is as good.
    await Promise.all(known.map((entry, range) => entry.epoch === 0
      || this.change(range, { ...entry, epoch: entry.epoch + EPOCH_LEAP, revision: 0 })));
    await agreeOn(this.table, ranges);
    await this.checkCreated();
    return true;
  }

  /** Whether it is still the table that it was; if not, `onAnew` is called. Resolves with its last revision. */
  private async checkCreated(): Promise<number> {
    const { created, state } = await this.link.manager.streams.info(this.stream);
    const isAnother = created !== this.created && this.created !== '';
    this.created = created;
    if (isAnother) this.onAnew();
    return state.last_seq;
  }

  /** Tells everything that is in the table, then what changes. A second call begins anew. */
  watch(handlers: TableHandlers): void {
    this.stop();
    const number = ++this.watches;
    void this.read(handlers, number).catch(() => undefined).then(() => {
      // It has ended by itself: the connection was lost, or the broker has forgotten it.
      if (number === this.watches) setTimeout(() => number === this.watches && this.watch(handlers), 200).unref();
    });
  }

  stop(): void {
    this.watches++;
    this.watching?.stop();
    this.watching = undefined;
  }

  private async read(handlers: TableHandlers, number: number): Promise<void> {
    const last = await this.checkCreated();
    const changes = await this.table.watch();
    if (number !== this.watches) return changes.stop();
    this.watching = changes;
    let isSynced = false;
    for await (const { key, value, operation, revision, delta } of changes) {
      if (number !== this.watches) return;
      const isThere = operation === 'PUT';
      if (key.startsWith(MACHINE)) handlers.onMachine(key.slice(MACHINE.length), isThere);
      else if (key.startsWith(RANGE)) {
        handlers.onRange(Number(key.slice(RANGE.length)), entryOf(value, revision));
      }
      // The broker's own count of what is to come may stay too high where entries are overwritten meanwhile.
      if (!isSynced && ((delta ?? 0) === 0 || revision >= last)) {
        isSynced = true;
        handlers.onSynced();
      }
    }
  }

  /** Says that the machine is alive. */
  async beat(machine: string): Promise<void> {
    await this.table.put(`${MACHINE}${machine}`, Buffer.from('alive'));
    // Who has not noticed would take the revisions of the new table for old ones, and not see what others take.
    await this.checkCreated();
  }

  async forget(machine: string): Promise<void> {
    await this.table.delete(`${MACHINE}${machine}`);
  }

  /** Takes everything out of the table that a machine which is gone has left there. */
  async sweep(machine: string): Promise<void> {
    await this.link.manager.streams.purge(this.stream, { filter: `$KV.${this.shape.name}.${MACHINE}${machine}` });
  }

  /** A range as the leader of the table has it, which alone knows. */
  async ask(range: number): Promise<RangeEntry> {
    const subject = `$KV.${this.shape.name}.${RANGE}${range}`;
    const found = await this.link.manager.streams.getMessage(this.stream, { last_by_subj: subject });
    return found === null ? NO_ENTRY : entryOf(found.data, found.seq);
  }

  /** Changes a range. Returns undefined if another has changed it first. */
  async change(range: number, entry: RangeEntry): Promise<RangeEntry | undefined> {
    const { owner, epoch, start, stream, revision } = entry;
    const value = Buffer.from(JSON.stringify({ owner, epoch, start, stream }));
    const key = `${RANGE}${range}`;
    try {
      const changed = revision === 0 ? await this.table.create(key, value)
        : await this.table.update(key, value, revision);
      return { ...entry, revision: changed };
    } catch (error) {
      if (isTaken(error)) return undefined;
      throw error;
    }
  }
}

const isTaken = (error: unknown): boolean => jetStreamCode(error) === WRONG_SEQUENCE;

function entryOf(value: Uint8Array, revision: number): RangeEntry {
  try {
    const { owner, epoch, start, stream = '' } = JSON.parse(Buffer.from(value).toString()) as RangeEntry;
    const areNumbers = [epoch, start].every((each) => Number.isSafeInteger(each) && each >= 0);
    const areTexts = typeof owner === 'string' && typeof stream === 'string';
    if (areTexts && areNumbers) return { owner, epoch, start, stream, revision };
  } catch {
    // Said by the answer.
  }
  return { ...NO_ENTRY, epoch: SPOILT, revision };
}

/** How many ranges there are: as whoever came first has it. */
async function agreeOn(table: ClientTable, ranges: number): Promise<number> {
  try {
    await table.create('ranges', Buffer.from(String(ranges)));
    return ranges;
  } catch (error) {
    if (!isTaken(error)) throw error;
  }
  const found = await table.get('ranges');
  // A broker of a cluster may answer that has not heard of it.
  if (found === null) throw new NotYet();
  return Number(Buffer.from(found.value).toString());
}
