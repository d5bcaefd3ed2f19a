/**
 * Writes a counters page: copies what all parties count into memory of its own, and from there into the file, section
 * by section as far as each is used. There is one writer at a time; page-publisher.ts says which.
 */
import { readSync, writeSync } from 'node:fs';
import {
  BANDS, LANES_PER_PEER, PAGE_CURSORS, PAGE_LANES, PAGE_MAGIC, PAGE_QUEUES, PAGE_TOPICS, PAGE_VERSION, pageAskLayout,
  pageClassLayout, pageCursorLayout, pageLaneLayout, pageLayout, pageQueueLayout, pageRateLayout, pageReactorLayout,
  pageTaskLayout, pageWayLayout, partyLayout, topicRowLayout, type Structure,
} from '../layout.js';
import { FigureTable } from '../observe/internal.js';
import { startTicksOf } from '../process-start.js';
import type { Queue } from '../queues/index.js';
import type { SharedRuntime } from '../reactor/internal.js';
import { laneMetrics } from './metrics.js';
import { unpackAsk } from './page-asks.js';
import { PageMemory, type Row } from './page-rows.js';
import { TaskRows, mostClasses, type NamedBand } from './page-tasks.js';
import { describePage } from './page-text.js';
import { setBounds } from './slo.js';
import { cursorsOf, readLanes, readQueues } from './sources.js';
import { topicRowsOf } from '../topic-figures.js';

/** Everything that a page shows, in a form that any thread of the process can get. */
export interface PageSource {
  readonly shared: Pick<SharedRuntime, 'reactors' | 'laneBytes' | 'inboxes' | 'figures' | 'topics' | 'originNs'>;
  readonly classes: readonly NamedBand[];
  /** PageReactor rows, which the main thread writes. */
  readonly reactors: SharedArrayBuffer;
  readonly rates: Readonly<Record<string, Float64Array>>;
  readonly everyMs: number;
}

const header = pageLayout.fields;
const rate = pageRateLayout.fields;
const MOST_TASKS = 4096;
const roomFor = (figures: readonly SharedArrayBuffer[]): number =>
  figures.reduce((sum, each) => sum + new FigureTable(each).room, 0);
const aligned = (bytes: number): number => Math.ceil(bytes / 128) * 128;

interface Section {
  readonly structure: Structure;
  readonly at: number;
  readonly most: number;
}

export class PageWriter {
  private readonly memory: PageMemory;
  private readonly tasks: TaskRows;
  private readonly sections: Readonly<Record<SectionName, Section>>;
  private readonly asksAt: number;
  private readonly ask = Buffer.alloc(pageAskLayout.bytes);
  private readonly queues = new Map<string, Queue>();
  private leftOut = 0;

  constructor(private readonly fd: number, private readonly source: PageSource) {
    const { shared: { inboxes, figures = [], originNs }, classes, rates, reactors, everyMs } = source;
    const text = Buffer.from(describePage(), 'latin1');
    const parties = inboxes.length;
    let at = aligned(pageLayout.bytes + text.length);
    const section = (structure: Structure, most: number): Section => {
      const made = { structure, at, most };
      at = aligned(at + most * structure.bytes);
      return made;
    };
    this.sections = {
      parties: section(partyLayout, parties),
      reactors: section(pageReactorLayout, Math.floor(reactors.byteLength / pageReactorLayout.bytes)),
      classes: section(pageClassLayout, mostClasses(classes.length)),
      lanes: section(pageLaneLayout, Math.min(PAGE_LANES, parties * parties * LANES_PER_PEER)),
      ways: section(pageWayLayout, figures.length * 2 * BANDS),
      queues: section(pageQueueLayout, PAGE_QUEUES),
      cursors: section(pageCursorLayout, PAGE_CURSORS),
      topics: section(topicRowLayout, PAGE_TOPICS),
      rates: section(pageRateLayout, Object.keys(rates).length),
      tasks: section(pageTaskLayout, Math.min(MOST_TASKS, roomFor(figures))),
    };
    this.memory = new PageMemory(new ArrayBuffer(at));
    this.asksAt = at;
    this.tasks = new TaskRows(this.memory, inboxes, figures, classes);
    this.memory.bytes.set(text, pageLayout.bytes);
    this.memory.pack(pageLayout, 0, {
      magic: PAGE_MAGIC, version: PAGE_VERSION, pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0, originNs,
      everyMs, textAt: pageLayout.bytes, textBytes: text.length, asksAt: at, mostTasks: this.sections.tasks.most,
      ...Object.fromEntries(Object.entries(this.sections).map(([name, each]) => [`${name}At`, each.at])),
    });
    for (const [i, name] of Object.keys(rates).entries()) this.memory.pack(pageRateLayout, this.rateAt(i), { name });
  }

  /** Makes a new file of its final length, all zeros except the text. Returns its sequence. */
  begin(): number {
    const { bytes, words } = this.memory;
    words[header.sequence.at >> 2] = 1;
    // All of it is claimed now, so there is room for it from here on.
    this.put(0, bytes.length);
    return 1;
  }

  /** Shows the queue from now on; undefined: no longer. */
  setQueue(name: string, queue: Queue | undefined): void {
    if (queue === undefined) this.queues.delete(name);
    else this.queues.set(name, queue);
  }

  /** `sequence` is that of the page as it is now. Returns what it is afterwards. */
  write(sequence: number, isClosed: boolean): number {
    this.takeAsk();
    const { memory, sections, source: { shared, reactors, rates } } = this;
    this.leftOut = 0;
    for (const [id, inbox] of shared.inboxes.entries()) {
      memory.bytes.set(new Uint8Array(inbox, 0, partyLayout.bytes), sections.parties.at + id * partyLayout.bytes);
    }
    memory.bytes.set(new Uint8Array(reactors), sections.reactors.at);
    for (const [i, state] of Object.values(rates).entries()) {
      memory.numbers.set(state, (this.rateAt(i) + rate.rateHz.at) >> 3);
    }
    const tasks = this.tasks.writeTasks(sections.tasks.at, sections.tasks.most);
    this.leftOut += tasks.leftOut;
    const queues = readQueues(this.queues).slice(0, PAGE_QUEUES);
    const counts: Readonly<Record<SectionName, number>> = {
      parties: shared.inboxes.length, reactors: sections.reactors.most, tasks: tasks.count,
      classes: this.tasks.writeClasses(sections.classes.at),
      lanes: this.pack('lanes', readLanes(shared).map(({ priority, ...lane }) => ({ ...lane, band: priority }))),
      ways: this.pack('ways', laneMetrics(this.tasks.tables.map((table, id) => ({ id, table })))
        .map(({ party, priority, isReturn, figure }) => ({ party, band: priority, isReturn, ...figure }))),
      queues: this.pack('queues', queues.map(({ kind, backend, dropped, consumers, name, isClosed, ...counted }) => ({
        name, kind: `${kind} ${backend}`, isClosed, consumers: consumers.length, capacity: counted.capacity,
        depth: counted.depth, highWater: counted.highWater, published: counted.published, consumed: counted.consumed,
        refused: counted.refused, droppedNewest: dropped.newest, droppedOldest: dropped.oldest,
        droppedEvicted: dropped.evicted, droppedClosed: dropped.closed, droppedTooLarge: dropped.tooLarge ?? 0,
      }))),
      cursors: this.pack('cursors', cursorsOf(queues).map((cursor) => ({ ...cursor }))),
      topics: this.copyTopics(),
      rates: Object.keys(rates).length,
    };
    memory.pack(pageLayout, 0, { ...counts, leftOut: this.leftOut, isClosed, publishedNs: nowNs() });
    // Only now, since readers wait meanwhile: what is above takes most of the time.
    const odd = sequence | 1;
    this.writeSequence(odd);
    for (const [name, { at, structure }] of Object.entries(sections)) {
      this.put(at, counts[name as SectionName] * structure.bytes);
    }
    this.put(0, pageLayout.bytes);
    this.writeSequence(odd + 1);
    return (odd + 1) | 0;
  }

  private rateAt(index: number): number {
    return this.sections.rates.at + index * pageRateLayout.bytes;
  }

  private pack(name: SectionName, rows: readonly Row[]): number {
    const { at, structure, most } = this.sections[name];
    const count = Math.min(most, rows.length);
    for (let i = 0; i < count; i++) this.memory.pack(structure, at + i * structure.bytes, rows[i]!);
    this.leftOut += rows.length - count;
    return count;
  }

  private copyTopics(): number {
    const { at, most } = this.sections.topics;
    const { topics, reactors } = this.source.shared;
    let place = 0;
    for (let party = 0; party <= reactors; party++) {
      const rows = topicRowsOf(topics, party);
      const count = Math.min(rows.count, most - place);
      this.leftOut += rows.count - count;
      const bytes = new Uint8Array(topics, rows.at, count * topicRowLayout.bytes);
      this.memory.bytes.set(bytes, at + place * topicRowLayout.bytes);
      place += count;
    }
    return place;
  }

  /** Bounds that another process asks for. Their record lies after everything that is written here. */
  private takeAsk(): void {
    const { ask, fd, asksAt, memory } = this;
    if (readSync(fd, ask, 0, ask.length, asksAt) < ask.length) return;
    const asked = unpackAsk(ask);
    if (asked === undefined || asked.id === memory.numbers[header.answeredId.at >> 3]) return;
    const answeredTasks = setBounds(this.tasks.tables.map((table, id) => ({ id, table })), asked);
    memory.pack(pageLayout, 0, { answeredTasks, answeredId: asked.id });
  }

  private writeSequence(value: number): void {
    this.memory.words[header.sequence.at >> 2] = value;
    this.put(header.sequence.at, 4);
  }

  private put(at: number, length: number): void {
    // Where the room ends, less is written; only the next writing fails.
    for (let done = 0; done < length;) {
      done += writeSync(this.fd, this.memory.bytes, at + done, length - done, at + done);
    }
  }
}

type SectionName =
  | 'parties' | 'reactors' | 'classes' | 'lanes' | 'ways' | 'queues' | 'cursors' | 'topics' | 'rates' | 'tasks';

const nowNs = (): number => Number(process.hrtime.bigint());
