/**
 * Shared memory whose every access goes through one function. An ordinary program cannot tell it from the real one: it
 * allocates `SharedArrayBuffer`s, makes typed arrays and DataViews over them, uses `Atomics`; these are the stand-ins
 * of `globals`. An explorer puts its own `perform` in place and so decides when each access happens.
 *
 *   words[130] = 7          -> perform({ verb: 'write', word, mask: all bits, value: 7 })
 *   Atomics.load(words, 32) -> perform({ verb: 'load', word, ... })
 *   bytes.set(record, 521)  -> one 'write' for each word touched, its mask saying which bytes
 *
 * Wide and unaligned plain accesses fall apart into words, because they may tear. Bytes lie in words little end first,
 * as on every machine that Node runs on with a 64-bit x86 or ARM. Typed arrays over ordinary memory stay ordinary.
 *
 * `performance.now` stands still, and `threadId` is what the memory's user says it is. A growable buffer has room for
 * all it may become, and one word more for its length, through which `grow` and `byteLength` go.
 */
import { checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { isRead, NOT_EQUAL, wordAfter, type Access, type Verb } from './access.js';
import { loadModule, type Edit } from './load-module.js';
import { VirtualBuffer } from './virtual-buffer.js';
import { virtualDataView, virtualTypedArray, type TypedArrayClass, type ViewPlace } from './virtual-views.js';

/** Names for the words of one buffer, for schedules that can be read. A structure of src/layout.ts fits. */
export interface WordNames {
  readonly fields: Readonly<Record<string, { readonly at: number }>>;
}

export interface VirtualGlobals extends Record<string, unknown> {
  readonly Atomics: Atomics;
  readonly SharedArrayBuffer: SharedArrayBufferConstructor;
  readonly Int32Array: Int32ArrayConstructor;
  readonly Uint8Array: Uint8ArrayConstructor;
  readonly DataView: DataViewConstructor;
}

/** Bytes of a buffer: all of it, or `from` (included) to `to` (not included), both multiples of 4. */
export interface ByteRange {
  readonly buffer: SharedArrayBuffer;
  readonly from?: number;
  readonly to?: number;
}

const TYPED_ARRAYS: readonly TypedArrayClass[] = [
  Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array,
  BigUint64Array,
];

/** A world of shared memory of its own. Any thread may make one; it is an ordinary object, and shares nothing. */
export class VirtualMemory {
  /** The contents, all buffers one after another. An explorer swaps them for those of another state. */
  cells: Int32Array = new Int32Array(0);
  /** Where each access goes. Until an explorer takes over, it is done at once. */
  perform: (access: Access) => number = (access) => this.apply(access);
  /** Stand-ins for the globals of the same names. */
  readonly globals: VirtualGlobals;
  /**
   * What loaded modules read as `threadId` of node:worker_threads. An explorer sets it to that of the thread it runs.
   */
  threadId = 0;
  /** The words that hold the lengths of buffers that grow. */
  readonly lengthWords: number[] = [];
  private readonly views = new WeakMap<object, ViewPlace>();
  private readonly named: { firstWord: number; words: number; name: string; fields: Map<number, string> }[] = [];
  private readonly noted = new Set<number>();
  private readonly ignored = new Set<number>();

  constructor() {
    // oxlint-disable-next-line no-this-alias -- The class below is made of it.
    const memory = this;
    const globals: Record<string, unknown> = {
      SharedArrayBuffer: class SharedArrayBuffer extends VirtualBuffer {
        constructor(byteLength: number, { maxByteLength }: { maxByteLength?: number } = {}) {
          super(
            memory, memory.allocate(maxByteLength ?? byteLength), maxByteLength ?? byteLength,
            maxByteLength === undefined ? -1 : memory.allocate(4),
          );
          if (maxByteLength === undefined) return;
          if (byteLength > maxByteLength)
            throw new RangeError(`SharedArrayBuffer: ${byteLength} bytes, more than maxByteLength ${maxByteLength}`);
          memory.cells[this.lengthWord] = byteLength;
          memory.lengthWords.push(this.lengthWord);
        }
      },
      Atomics: this.atomics(),
      performance: { now: () => 0 },
      $threadId: () => this.threadId,
      DataView: this.over(DataView, (place) => virtualDataView(this, place)),
    };
    for (const real of TYPED_ARRAYS)
      globals[real.name] = this.over(real, (place) => virtualTypedArray(this, real, place));
    this.globals = globals as VirtualGlobals;
  }

  /**
   * Runs the compiled module at `url` (a file) in this world and returns its exports. Its imports by relative path run
   * here too. `edit` may change the text of each. The code must keep shared state in SharedArrayBuffers alone. Throws
   * if the module has a form of import or export that load-module.ts does not know.
   */
  load<Exports>(url: string | URL, edit?: Edit): Exports {
    if (edit !== undefined) checkFunction('edit', edit);
    const isUrl = url instanceof URL || (typeof url === 'string' && URL.canParse(url));
    if (!isUrl || !String(url).startsWith('file:'))
      throw invalidArgument('url', url, 'the address of a file: file:///…, such as import.meta.resolve() gives');
    return loadModule(new URL(url), this.globals, edit) as Exports;
  }

  /**
   * Gives the words of `buffer` names for schedules: `ring.producerCursor` in place of a number. Names for a part of
   * it, whose structure begins at byte `from`, come before those of the whole.
   */
  name(buffer: SharedArrayBuffer, name: string, structure: WordNames = { fields: {} }, from = 0, to?: number): void {
    checkText('name', name);
    if (typeof structure?.fields !== 'object' || structure.fields === null)
      throw invalidArgument(
        'structure', structure,
        'an object with the fields by name, each with its place: { fields: { cursor: { at: 0 } } }',
      );
    const { first, end } = this.wordsOf({ buffer, from, to });
    const fields = new Map(Object.entries(structure.fields).map(([field, { at }]) => [at >> 2, field]));
    this.named.unshift({ firstWord: first, words: end - first, name, fields });
    const { lengthWord } = buffer as unknown as VirtualBuffer;
    if (lengthWord >= 0)
      this.named.unshift({ firstWord: lengthWord, words: 1, name: `${name}.byteLength`, fields: new Map([[0, '']]) });
  }

  /**
   * Declares words that belong to the test, not to the code under test: its notes of what has happened. Touching them
   * is no step of its own, it happens together with the access before; and they are part of the state.
   */
  note(...ranges: ByteRange[]): void {
    for (const range of ranges) this.addWords(this.noted, range);
  }

  /**
   * Declares counters that no thread's decisions rest on: touching them is no step of its own, and states that differ
   * in them alone are one state, so what they hold at the end is that of one of many schedules.
   */
  ignore(...ranges: ByteRange[]): void {
    for (const range of ranges) this.addWords(this.ignored, range);
  }

  /** Runs `run` as thread `threadId`: for what a thread does before the exploration begins, such as to join a queue. */
  as<Result>(threadId: number, run: () => Result): Result {
    const before = this.threadId;
    this.threadId = threadId;
    try {
      return run();
    } finally {
      this.threadId = before;
    }
  }

  /** True for a word of the test's own: see `note`. */
  isNoted(word: number): boolean {
    return this.noted.has(word);
  }

  /** True for a word that only counts: see `ignore`. */
  isIgnored(word: number): boolean {
    return this.ignored.has(word);
  }

  /** Numbers of the words of a range: the first, and the one after the last. */
  wordsOf(range: ByteRange): { first: number; end: number } {
    const { buffer, from = 0, to } = checkOptions('range', range ?? (null as never), ['buffer', 'from', 'to']);
    if (!((buffer as unknown) instanceof VirtualBuffer))
      throw invalidArgument(
        'buffer', buffer,
        'a buffer of this memory: one that loaded code has made, or new memory.globals.SharedArrayBuffer(bytes)',
      );
    checkInteger('from', from, 0, 2 ** 31 - 1);
    if (to !== undefined) checkInteger('to', to, from, 2 ** 31 - 1);
    const { firstWord, maxByteLength } = buffer as unknown as VirtualBuffer;
    return { first: firstWord + (from >> 2), end: firstWord + (((to ?? maxByteLength) + 3) >> 2) };
  }

  /** The name of a word: `ring.producerCursor`, `ring+512` (bytes), or `word 12`. */
  nameOf(word: number): string {
    const buffer = this.named.find((each) => word >= each.firstWord && word < each.firstWord + each.words);
    if (buffer === undefined) return `word ${word}`;
    const field = buffer.fields.get(word - buffer.firstWord);
    if (field === '') return buffer.name;
    return field === undefined ? `${buffer.name}+${(word - buffer.firstWord) * 4}` : `${buffer.name}.${field}`;
  }

  /**
   * Does `access` now. Returns what was in the word before, the concerned bits only; 0 for what does not look. Nobody
   * sleeps.
   */
  apply(access: Access): number {
    const old = this.cells[access.word];
    if (access.verb === 'wait') {
      if (old === access.expected)
        throw new Error(`Atomics.wait of ${this.nameOf(access.word)} outside of a step would never end`);
      return NOT_EQUAL;
    }
    this.cells[access.word] = wordAfter(access, old);
    return isRead(access) ? old & access.mask : 0;
  }

  /**
   * For the stand-ins of buffers and views, which hold no state of their own: equal for those that show the same bytes
   * in the same way.
   */
  identityOf(value: object): string | undefined {
    if (value instanceof VirtualBuffer) return `buffer ${value.firstWord}`;
    const place = this.views.get(value);
    return place === undefined ? undefined : `${place.kind} ${place.firstByte} ${place.fixedLength ?? ''}`;
  }

  private addWords(set: Set<number>, range: ByteRange): void {
    const { first, end } = this.wordsOf(range);
    for (let word = first; word < end; word++) set.add(word);
  }

  private allocate(byteLength: number): number {
    const first = this.cells.length;
    const grown = new Int32Array(first + ((byteLength + 3) >> 2));
    grown.set(this.cells);
    this.cells = grown;
    return first;
  }

  /** The class `real`, except that over a virtual buffer it makes what `make` makes. */
  private over(real: TypedArrayClass | DataViewConstructor, make: (place: ViewPlace) => object): object {
    const unit = 'BYTES_PER_ELEMENT' in real ? real.BYTES_PER_ELEMENT : 1;
    const made = new Map<string, object>();
    return new Proxy(real, {
      construct: (target, args: unknown[]) => {
        const [buffer, byteOffset = 0, length] = args as [unknown, number?, number?];
        if (!(buffer instanceof VirtualBuffer)) return Reflect.construct(target, args) as object;
        const bytes = buffer.byteLength;
        const tracksLength = length === undefined && buffer.growable;
        const units = length ?? (tracksLength ? Math.floor((bytes - byteOffset) / unit) : (bytes - byteOffset) / unit);
        if (byteOffset % unit !== 0 || !Number.isInteger(units) || units < 0 || byteOffset + units * unit > bytes) {
          throw new RangeError(
            `${real.name}: ${units} elements at byte ${byteOffset} do not fit a buffer of ${bytes} bytes`,
          );
        }
        // Views have no state, and replays make the same ones again and again.
        const name = `${real.name} ${buffer.firstWord} ${byteOffset} ${tracksLength ? '' : units}`;
        const known = made.get(name);
        if (known !== undefined) return known;
        const place: ViewPlace = {
          kind: real.name, buffer, firstByte: buffer.firstWord * 4 + byteOffset, byteOffset,
          fixedLength: tracksLength ? undefined : units,
          length: () => (tracksLength ? Math.floor((buffer.byteLength - byteOffset) / unit) : units),
          reach: () => (tracksLength ? Math.floor((buffer.reach() - byteOffset) / unit) : units),
        };
        const view = make(place);
        this.views.set(view, place);
        made.set(name, view);
        return view;
      },
    });
  }

  private atomics(): object {
    const access = (verb: Verb, view: object, index: number, value: number, expected: number): number => {
      const place = this.views.get(view);
      if (place === undefined) throw new TypeError(`Atomics.${verb}: not a view of this virtual memory`);
      if (!(view instanceof Int32Array))
        throw new TypeError(`Atomics.${verb}: virtual memory knows it on Int32Array only`);
      if (!Number.isInteger(index) || index < 0 || index >= place.reach())
        throw new RangeError(`Atomics.${verb}: index ${index} of ${place.reach()} words`);
      return this.perform({
        verb, word: (place.firstByte >> 2) + index, mask: -1, value: value | 0, expected: expected | 0,
      });
    };
    const atomics: Record<string, unknown> = {
      load: (view: object, index: number) => access('load', view, index, 0, 0),
      store: (view: object, index: number, value: number) => (access('store', view, index, value, 0), value),
      compareExchange: (view: object, index: number, expected: number, value: number) =>
        access('compareExchange', view, index, value, expected),
      // `value` 1: it may end by time.
      wait: (view: object, index: number, expected: number, timeoutMs = Infinity) =>
        (['ok', 'not-equal', 'timed-out'] as const)[
          access('wait', view, index, timeoutMs === Infinity ? 0 : 1, expected)
        ],
      notify: (view: object, index: number, count = Infinity) => {
        if (count !== Infinity)
          throw new TypeError('Atomics.notify: virtual memory wakes everybody at a word or nobody; leave count out');
        return access('notify', view, index, 0, 0);
      },
    };
    for (const verb of ['exchange', 'add', 'sub', 'and', 'or', 'xor'] as const) {
      atomics[verb] = (view: object, index: number, value: number) => access(verb, view, index, value, 0);
    }
    return atomics;
  }
}
