/**
 * Shared memory in which every access goes through one function. Ordinary code cannot tell it from real memory: it
 * allocates a `SharedArrayBuffer`, makes typed arrays and DataViews over it, and uses `Atomics`, all of which are the
 * stand-ins in `globals`. An explorer replaces `perform` with a function of its own and so decides when each access
 * happens.
 *
 *   words[130] = 7          -> perform({ verb: 'write', word, mask: all bits, value: 7 })
 *   Atomics.load(words, 32) -> perform({ verb: 'load', word, ... })
 *   bytes.set(record, 521)  -> one 'write' for each word that it touches; the mask says which bytes
 *
 * Wide or unaligned plain accesses are split into words, because they may tear. Bytes lie in words in little-endian
 * order, as on all 64-bit x86 and ARM machines on which Node runs. Typed arrays over ordinary memory stay ordinary.
 *
 * `performance.now` stands still, and `threadId` is what the explorer sets. A growable buffer has room for its largest
 * size, and one more word for its length, which `grow` and `byteLength` access.
 */
import { checkFunction, checkInteger, checkOptions, checkText, invalidArgument } from '../errors.js';
import { isRead, NOT_EQUAL, wordAfter, type Access, type Verb } from './access.js';
import { loadModule, type Edit } from './load-module.js';
import { VirtualBuffer } from './virtual-buffer.js';
import { virtualDataView, virtualTypedArray, type TypedArrayClass, type ViewPlace } from './virtual-views.js';

/** Names for the words of one buffer, which make schedules readable. A structure from src/layout.ts will do. */
export interface WordNames {
  /** The fields by name. `at` is the offset of a field in bytes. */
  readonly fields: Readonly<Record<string, { readonly at: number }>>;
}

/** The stand-ins for the globals that code with shared memory uses. */
export interface VirtualGlobals extends Record<string, unknown> {
  /** The operations on words of an Int32Array over this memory. */
  readonly Atomics: Atomics;
  /** Its constructor makes a buffer of this memory. */
  readonly SharedArrayBuffer: SharedArrayBufferConstructor;
  /** Over a buffer of this memory, a view whose accesses are seen; over any other, an ordinary one. */
  readonly Int32Array: Int32ArrayConstructor;
  /** As Int32Array. */
  readonly Uint8Array: Uint8ArrayConstructor;
  /** As Int32Array. */
  readonly DataView: DataViewConstructor;
}

/** A range of bytes in a buffer: all of it, or from `from` up to, but not including, `to`; both are multiples of 4. */
export interface ByteRange {
  /** A buffer of the virtual memory. */
  readonly buffer: SharedArrayBuffer;
  /** The first byte. Default: 0. */
  readonly from?: number;
  /** The byte after the last one. Default: the end of the buffer. */
  readonly to?: number;
}

const TYPED_ARRAYS: readonly TypedArrayClass[] = [
  Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array,
  BigUint64Array,
];

/**
 * A memory in which an explorer decides when each access happens; see `explore` for an example. It is an ordinary
 * object of one thread and shares nothing with others.
 */
export class VirtualMemory {
  /** The contents of all buffers, one after the other. An explorer replaces them with those of another state. */
  cells: Int32Array = new Int32Array(0);
  /** Called for each access. Until an explorer replaces it, an access is performed at once. */
  perform: (access: Access) => number = (access) => this.apply(access);
  /** The stand-ins for the globals with the same names. */
  readonly globals: VirtualGlobals;
  /**
   * What loaded modules read as `threadId` of node:worker_threads. An explorer sets it to that of the thread that it
   * runs.
   */
  threadId = 0;
  /** The words that hold the lengths of growable buffers. */
  readonly lengthWords: number[] = [];
  private readonly views = new WeakMap<object, ViewPlace>();
  private readonly named: { firstWord: number; words: number; name: string; fields: Map<number, string> }[] = [];
  private readonly noted = new Set<number>();
  private readonly ignored = new Set<number>();

  constructor() {
    // oxlint-disable-next-line no-this-alias -- The class below needs it.
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
   * Runs the compiled module in the file at `url` with this memory, and returns its exports. Modules that it imports by
   * a relative path run with this memory too. `edit` may change the text of each module before it runs. The code must
   * keep shared state only in SharedArrayBuffers. Throws if a module has a form of import or export that load-module.ts
   * does not know.
   */
  load<Exports>(url: string | URL, edit?: Edit): Exports {
    if (edit !== undefined) checkFunction('edit', edit);
    const isUrl = url instanceof URL || (typeof url === 'string' && URL.canParse(url));
    if (!isUrl || !String(url).startsWith('file:'))
      throw invalidArgument('url', url, 'the address of a file: file:///…, such as import.meta.resolve() gives');
    return loadModule(new URL(url), this.globals, edit) as Exports;
  }

  /**
   * Names the words of `buffer` in schedules: `ring.producerCursor` in place of a number. To name only a part, whose
   * structure begins at byte `from`, call it after naming the whole; the later names win.
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
   * Declares words that belong to the test and not to the code under test, such as notes of what has happened. An
   * access to them is no step of its own but is made together with the access before it. Their contents are part of the
   * state.
   */
  note(...ranges: ByteRange[]): void {
    for (const range of ranges) this.addWords(this.noted, range);
  }

  /**
   * Declares counters on which no thread's decisions depend. An access to them is no step of its own, and states that
   * differ only in them are one state. So at the end they have the values of just one of many schedules.
   */
  ignore(...ranges: ByteRange[]): void {
    for (const range of ranges) this.addWords(this.ignored, range);
  }

  /** Runs `run` as thread `threadId`, for what a thread does before the exploration begins, such as joining a queue. */
  as<Result>(threadId: number, run: () => Result): Result {
    checkInteger('threadId', threadId, 0, 2 ** 31 - 1);
    checkFunction('run', run);
    const before = this.threadId;
    this.threadId = threadId;
    try {
      return run();
    } finally {
      this.threadId = before;
    }
  }

  /** True for a word that belongs to the test: see `note`. */
  isNoted(word: number): boolean {
    return this.noted.has(word);
  }

  /** True for a word that only counts: see `ignore`. */
  isIgnored(word: number): boolean {
    return this.ignored.has(word);
  }

  /** The indexes of the words in a range: that of the first one, and the one after the last. */
  wordsOf(range: ByteRange): { first: number; end: number } {
    const { buffer, from = 0, to } = checkOptions('range', range ?? (null as never), ['buffer', 'from', 'to']);
    if (!((buffer as unknown) instanceof VirtualBuffer))
      throw invalidArgument(
        'buffer', buffer,
        'a buffer of this memory: one that loaded code has made, or new memory.globals.SharedArrayBuffer(bytes)',
      );
    const { firstWord, maxByteLength } = buffer as unknown as VirtualBuffer;
    // Bytes beyond the buffer would be those of another one.
    checkInteger('from', from, 0, maxByteLength);
    if (to !== undefined) checkInteger('to', to, from, maxByteLength);
    for (const [name, value] of Object.entries({ from, to: to ?? 0 }))
      if (value % 4 !== 0) throw invalidArgument(name, value, 'a multiple of 4, since words have 4 bytes');
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
   * Performs `access` at once. Returns what the accessed bits were before; 0 for an access that does not read. A `wait`
   * never sleeps here.
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
   * A text for a stand-in of a buffer or view, which has no state of its own; equal for those that show the same bytes
   * in the same way. Undefined for anything else.
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

  /** The class `real`, except that for a virtual buffer its constructor returns what `make` makes. */
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
        // Views have no state, and replays make the same ones again and again, so make each only once.
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
      // A `value` of 1 means that it has a time-out.
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
