/**
 * The counters page: a file in memory that shows other processes what this one counts. `percore top` reads it, and so
 * does any language that can map a file; examples/observe/ has readers in Python and in C.
 *
 *      parties' shared words, histograms --copied by the main thread, each `everyMs`--> /dev/shm/percore-<pid>
 *
 * Why a copy, and not the words themselves: the words lie in memory that belongs to isolates and cannot be mapped by
 * others; to map a file into each thread instead would make every counter a call into native code. A copy costs the
 * main thread some microseconds a party, and the reactors nothing. While the main thread is blocked the page stands
 * still, and `publishedNs` says so.
 *
 * A reader sees one moment: `sequence` is odd while the page is written, and has changed when it was written in between
 * (a sequence lock; source: the kernel's seqlock). The text of the page names every field, so no reader needs this
 * table.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { checkInteger, checkOptions, invalidArgument, PercoreError } from '../errors.js';
import {
  CAUSE_BYTES, FIGURE_NAME_BYTES, PAGE_MAGIC, PAGE_RESPONSES, PAGE_VERSION, pageAskLayout, pageLayout,
  pageRateLayout, pageTaskLayout, partyLayout,
} from '../layout.js';
import { native } from '../native.js';
import { FIGURES, FigureTable, RESPONSE, type SloViolation, type FigureSlot } from '../observe/internal.js';
import type { Runtime } from '../reactor/index.js';
import { controllerOf, type SharedRuntime } from '../reactor/internal.js';
import { checkRateState } from '../timers/internal.js';
import { setBounds } from './slo.js';
import { unpackAsk } from './page-asks.js';
import { describePage } from './page-text.js';
import { removeStalePages } from './page-reader.js';
import { startTicksOf } from '../process-start.js';

export interface PageOptions {
  /** Where the file is made; it must not be there yet. Default /dev/shm/percore-<pid>, with -2 for a second one. */
  readonly path?: string;
  /** 10 to 60,000, default 250. */
  readonly everyMs?: number;
  /** States of rate controllers by name: what `createRateState` of percore/timers made and each was given. */
  readonly rates?: Readonly<Record<string, Float64Array>>;
}
/** A page that is being written. */
export interface CountersPage {
  readonly path: string;
  /** Writes it now. Blocks for some microseconds. */
  publish(): void;
  /** Removes it. The end of the runtime does so as well, and that of the process. Twice is once. */
  close(): void;
}

const FOLDER = '/dev/shm';
const MOST_PAGES = 64;
const COUNTS = ['messages', 'refused', 'errors', 'again', 'depth'] as const;
const header = pageLayout.fields;
const task = pageTaskLayout.fields;
const rate = pageRateLayout.fields;

/**
 * Shows the counters of a runtime to other processes of the same user (mode 0600). Pages of processes that have died
 * are removed first. Figures of tasks are in it where the runtime was made with `metrics`. Does not keep the program
 * running. Throws ERR_PERCORE_SYSTEM where the file cannot be made, or ERR_PERCORE_INVALID_ARGUMENT.
 *
 *     const page = publishCounters(runtime, { everyMs: 100 });     // $ percore top --once --json
 */
export function publishCounters(runtime: Runtime, options: PageOptions = {}): CountersPage {
  const controller = controllerOf(runtime);
  const { path, everyMs = 250, rates = {} } = checkOptions('options', options, ['path', 'everyMs', 'rates']);
  checkInteger('everyMs', everyMs, 10, 60_000);
  if (path !== undefined && (typeof path !== 'string' || path === '')) throw invalidArgument('path', path, 'a path');
  for (const [name, state] of Object.entries(rates)) checkRateState(`rates.${name}`, state);
  removeStalePages(FOLDER);
  const opened = path === undefined ? openFree() : { path, fd: openPage(path) };
  const { shared } = controller;
  const writer = new PageWriter(opened.fd, shared, everyMs, rates);
  const onViolation = (violation: SloViolation): void => writer.note(violation);
  let isClosed = false;
  const timer = setInterval(() => writer.publish(), everyMs).unref();
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    clearInterval(timer);
    process.off('exit', close);
    runtime.off('sloViolated', onViolation);
    try {
      // Whoever has it mapped still sees that it is over.
      writer.end();
      unlinkSync(opened.path);
    } catch {
      // Somebody has removed it already, or the file system is gone: there is nothing left to remove.
    }
    closeSync(opened.fd);
  };
  runtime.on('sloViolated', onViolation);
  process.on('exit', close);
  controller.closers.push(async () => close());
  writer.publish();
  return { path: opened.path, publish: () => (isClosed ? undefined : writer.publish()), close };
}

class PageWriter {
  private readonly bytes: Buffer;
  private readonly words: Int32Array;
  private readonly numbers: Float64Array;
  private readonly tables: readonly FigureTable[];
  private readonly tasksAt: number;
  private readonly ratesAt: number;
  private readonly mostTasks: number;
  /** Of each place for a task: the steps of its slot when it was written last. */
  private readonly seen: number[] = [];
  private readonly causes = new Map<string, string>();
  private readonly asksAt: number;
  private readonly ask = Buffer.alloc(pageAskLayout.bytes);

  constructor(
    private readonly fd: number, private readonly shared: Pick<SharedRuntime, 'inboxes' | 'figures' | 'originNs'>,
    everyMs: number, private readonly rates: Readonly<Record<string, Float64Array>>,
  ) {
    const { inboxes, figures = [], originNs } = shared;
    this.tables = figures.map((memory) => new FigureTable(memory));
    this.mostTasks = Math.min(4096, this.tables.reduce((sum, { room }) => sum + room, 0));
    const text = Buffer.from(describePage(), 'latin1');
    const partiesAt = aligned(pageLayout.bytes + text.length);
    this.tasksAt = partiesAt + inboxes.length * partyLayout.bytes;
    this.ratesAt = this.tasksAt + this.mostTasks * pageTaskLayout.bytes;
    const names = Object.keys(rates);
    this.bytes = Buffer.from(new ArrayBuffer(this.ratesAt + names.length * pageRateLayout.bytes));
    this.asksAt = this.bytes.length;
    this.words = new Int32Array(this.bytes.buffer);
    this.numbers = new Float64Array(this.bytes.buffer);
    this.bytes.set(text, pageLayout.bytes);
    const set = (field: keyof typeof header, value: number): void => {
      const { type, at } = header[field];
      if (type === 'f64') this.numbers[at >> 3] = value;
      else this.words[at >> 2] = value;
    };
    const values = {
      magic: PAGE_MAGIC, version: PAGE_VERSION, pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0, originNs,
      everyMs, textAt: pageLayout.bytes, textBytes: text.length, partiesAt, parties: inboxes.length,
      tasksAt: this.tasksAt, mostTasks: this.mostTasks, ratesAt: this.ratesAt, rates: names.length,
      asksAt: this.asksAt,
    };
    for (const [name, value] of Object.entries(values)) set(name as keyof typeof header, value);
    for (const [i, name] of names.entries()) {
      const at = this.ratesAt + i * pageRateLayout.bytes;
      const most = rate.name.count * 4;
      this.words[(at + rate.nameBytes.at) >> 2] = this.bytes.write(name, at + rate.name.at, most, 'utf8');
    }
  }

  /** Why a task was late last. */
  note({ reactorId, task: name, figure, ns, cause }: SloViolation): void {
    const what = cause.what === '' ? '' : ` ${cause.what}`;
    this.causes.set(`${reactorId} ${name}`, `${figure} ${(ns / 1e3).toFixed(0)} us: ${cause.kind}${what}`);
  }

  publish(): void {
    this.takeAsk();
    const { words, numbers, shared: { inboxes } } = this;
    const sequence = words[header.sequence.at >> 2]! | 1;
    this.writeWord(header.sequence.at, sequence);
    numbers[header.publishedNs.at >> 3] = native().clock.nowNs();
    const partiesAt = words[header.partiesAt.at >> 2]!;
    for (const [id, inbox] of inboxes.entries()) {
      this.bytes.set(new Uint8Array(inbox, 0, partyLayout.bytes), partiesAt + id * partyLayout.bytes);
    }
    let place = 0;
    for (const [party, table] of this.tables.entries()) {
      for (const slot of table.slots()) if (place < this.mostTasks) this.copyTask(place++, party, slot);
    }
    words[header.tasks.at >> 2] = place;
    for (const [i, state] of Object.values(this.rates).entries()) {
      numbers.set(state, (this.ratesAt + i * pageRateLayout.bytes + rate.rateHz.at) >> 3);
    }
    writeSync(this.fd, this.bytes, 0, this.bytes.length, 0);
    this.writeWord(header.sequence.at, sequence + 1);
  }

  /** Bounds that another process asks for. What it writes lies behind all that is written here. */
  private takeAsk(): void {
    const { ask, fd, asksAt, words, numbers } = this;
    if (readSync(fd, ask, 0, ask.length, asksAt) < ask.length) return;
    const asked = unpackAsk(ask);
    if (asked === undefined || asked.id === numbers[header.answeredId.at >> 3]) return;
    words[header.answeredTasks.at >> 2] = setBounds(this.tables.map((table, id) => ({ id, table })), asked);
    numbers[header.answeredId.at >> 3] = asked.id;
  }

  end(): void {
    this.words[header.isClosed.at >> 2] = 1;
    this.publish();
  }

  private writeWord(at: number, value: number): void {
    this.words[at >> 2] = value;
    writeSync(this.fd, this.bytes, at, 4, at);
  }

  private copyTask(place: number, party: number, slot: FigureSlot): void {
    const at = this.tasksAt + place * pageTaskLayout.bytes;
    const { words, numbers, bytes } = this;
    const number = (field: { readonly at: number }, value: number, kind = 0): void => void (
      numbers[((at + field.at) >> 3) + kind] = value);
    for (const name of COUNTS) number(task[name], slot.count(name));
    const steps = slot.count('steps');
    for (let kind = 0; kind < FIGURES.length; kind++) {
      number(task.boundNs, slot.boundNs(kind), kind);
      number(task.violations, slot.violations(kind), kind);
    }
    const cause = this.causes.get(`${party} ${slot.name}`) ?? '';
    words[(at + task.causeBytes.at) >> 2] = bytes.write(cause, at + task.cause.at, CAUSE_BYTES, 'utf8');
    if (this.seen[place] === steps) return;
    this.seen[place] = steps;
    words[(at + task.party.at) >> 2] = party;
    words[(at + task.band.at) >> 2] = slot.band;
    words[(at + task.nameBytes.at) >> 2] = bytes.write(slot.name, at + task.name.at, FIGURE_NAME_BYTES, 'utf8');
    number(task.steps, steps);
    let below = 0;
    const responses = slot.histograms[RESPONSE]!;
    for (let i = 0; i < PAGE_RESPONSES; i++) {
      const upTo = responses.countBelow(i === PAGE_RESPONSES - 1 ? Infinity : 1024 * 4 ** i);
      number(task.responses, upTo - below, i);
      below = upTo;
    }
    for (const [kind, histogram] of slot.histograms.entries()) {
      const { count, mean, p50, p99, p999 } = histogram.summary();
      number(task.count, count, kind);
      number(task.minNs, histogram.min(), kind);
      number(task.meanNs, mean, kind);
      number(task.p50Ns, p50, kind);
      number(task.p99Ns, p99, kind);
      number(task.p999Ns, p999, kind);
      number(task.maxNs, histogram.max(), kind);
    }
  }
}

const aligned = (bytes: number): number => Math.ceil(bytes / 128) * 128;

/** The first name of this process that is free. */
function openFree(): { path: string; fd: number } {
  for (let i = 1; ; i++) {
    const path = `${FOLDER}/percore-${process.pid}${i === 1 ? '' : `-${i}`}`;
    try {
      return { path, fd: openPage(path) };
    } catch (error) {
      if ((error as { errno?: string }).errno !== 'EEXIST' || i === MOST_PAGES) throw error;
    }
  }
}

function openPage(path: string): number {
  try {
    return openSync(path, 'wx+', 0o600);
  } catch (cause) {
    const { code = 'UNKNOWN', message } = cause as NodeJS.ErrnoException;
    const hint = code === 'EEXIST' ? 'it is there already: name another path, or remove it' : message;
    throw new PercoreError(
      'ERR_PERCORE_SYSTEM', `the counters page ${path} cannot be made: ${hint}`,
      { argument: 'path', value: path, errno: code, syscall: 'open', cause },
    );
  }
}
