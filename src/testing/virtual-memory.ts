/**
 * Shared memory whose every access goes through one function. An ordinary program cannot tell it from the real one: it
 * allocates `SharedArrayBuffer`s, makes typed arrays and DataViews over them, uses `Atomics`; these are the stand-ins of
 * `globals`. An explorer puts its own `perform` in place and so decides when each access happens.
 *
 *   words[130] = 7          -> perform({ verb: 'write', word, mask: all bits, value: 7 })
 *   Atomics.load(words, 32) -> perform({ verb: 'load', word, ... })
 *   bytes.set(record, 521)  -> one 'write' for each word touched, its mask saying which bytes
 *
 * Wide and unaligned plain accesses fall apart into words, because they may tear. Bytes lie in words little end first, as
 * on every machine that Node runs on with a 64-bit x86 or ARM. Typed arrays over ordinary memory stay ordinary.
 */
import { loadModule, type Edit } from './load-module.js';
import { virtualDataView, virtualTypedArray, type TypedArrayClass, type ViewPlace } from './virtual-views.js';

export type Verb = 'read' | 'write' | 'load' | 'store' | 'exchange' | 'compareExchange' | 'add' | 'sub' | 'and' | 'or' | 'xor';

/** One access to one 32-bit word. `read` and `write` are plain, the others those of `Atomics`. */
export interface Access {
  readonly verb: Verb;
  /** Index into the memory's words, counted through all its buffers. */
  readonly word: number;
  /** The bits concerned; all of them except for plain accesses to single bytes. */
  readonly mask: number;
  readonly value: number;
  /** Of compareExchange only. */
  readonly expected: number;
}

export const isAtomic = (access: Access): boolean => access.verb !== 'read' && access.verb !== 'write';
export const isWrite = (access: Access): boolean => access.verb !== 'read' && access.verb !== 'load';
export const isRead = (access: Access): boolean => access.verb !== 'write' && access.verb !== 'store';

/** The word after `access`, when it was `old` before. */
export function wordAfter(access: Access, old: number): number {
  const { value } = access;
  switch (access.verb) {
    case 'read': case 'load': return old;
    case 'write': return (old & ~access.mask) | (value & access.mask);
    case 'store': case 'exchange': return value;
    case 'compareExchange': return old === access.expected ? value : old;
    case 'add': return (old + value) | 0;
    case 'sub': return (old - value) | 0;
    case 'and': return old & value;
    case 'or': return old | value;
    case 'xor': return old ^ value;
  }
}

/** Names for the words of one buffer, for schedules that can be read. A structure of src/layout.ts fits. */
export interface WordNames {
  readonly fields: Readonly<Record<string, { readonly at: number }>>;
}

class VirtualBuffer {
  constructor(readonly firstWord: number, readonly byteLength: number) {}
}

export interface VirtualGlobals extends Record<string, unknown> {
  readonly Atomics: Atomics;
  readonly SharedArrayBuffer: SharedArrayBufferConstructor;
  readonly Int32Array: Int32ArrayConstructor;
  readonly Uint8Array: Uint8ArrayConstructor;
  readonly DataView: DataViewConstructor;
}

const TYPED_ARRAYS: readonly TypedArrayClass[] = [
  Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
];

/** A world of shared memory of its own. Any thread may make one; it is an ordinary object, and shares nothing. */
export class VirtualMemory {
  /** The contents, all buffers one after another. An explorer swaps them for those of another state. */
  cells: Int32Array = new Int32Array(0);
  /** Where each access goes. Until an explorer takes over, it is done at once. */
  perform: (access: Access) => number = (access) => this.apply(access);
  /** Stand-ins for the globals of the same names. */
  readonly globals: VirtualGlobals;
  private readonly views = new WeakMap<object, ViewPlace>();
  private readonly named: { firstWord: number; words: number; name: string; fields: Map<number, string> }[] = [];

  constructor() {
    const allocate = (byteLength: number): number => this.allocate(byteLength);
    const globals: Record<string, unknown> = {
      SharedArrayBuffer: class SharedArrayBuffer extends VirtualBuffer {
        constructor(byteLength: number) {
          super(allocate(byteLength), byteLength);
        }
      },
      Atomics: this.atomics(),
      DataView: this.over(DataView, (place) => virtualDataView(this, place)),
    };
    for (const real of TYPED_ARRAYS) globals[real.name] = this.over(real, (place) => virtualTypedArray(this, real, place));
    this.globals = globals as VirtualGlobals;
  }

  /**
   * Runs the compiled module at `url` (a file) in this world and returns its exports. Its imports by relative path run here too.
   * `edit` may change the text of each. The code must keep shared state in SharedArrayBuffers alone. Throws if the module
   * has a form of import or export that load-module.ts does not know.
   */
  load<Exports>(url: string | URL, edit?: Edit): Exports {
    return loadModule(new URL(url), this.globals, edit) as Exports;
  }

  /** Gives the words of `buffer` names for schedules: `ring.producerCursor` in place of a number. */
  name(buffer: SharedArrayBuffer, name: string, structure: WordNames = { fields: {} }): void {
    const { firstWord, byteLength } = buffer as unknown as VirtualBuffer;
    const fields = new Map(Object.entries(structure.fields).map(([field, { at }]) => [at >> 2, field]));
    this.named.push({ firstWord, words: (byteLength + 3) >> 2, name, fields });
  }

  /** The name of a word: `ring.producerCursor`, `ring+512` (bytes), or `word 12`. */
  nameOf(word: number): string {
    const buffer = this.named.find((each) => word >= each.firstWord && word < each.firstWord + each.words);
    if (buffer === undefined) return `word ${word}`;
    const field = buffer.fields.get(word - buffer.firstWord);
    return field === undefined ? `${buffer.name}+${(word - buffer.firstWord) * 4}` : `${buffer.name}.${field}`;
  }

  /** Does `access` now. Returns what was in the word before, the concerned bits only; 0 for what does not look. */
  apply(access: Access): number {
    const old = this.cells[access.word];
    this.cells[access.word] = wordAfter(access, old);
    return isRead(access) ? old & access.mask : 0;
  }

  /** True for the stand-ins of buffers and views, which hold no state of their own. */
  isShared(value: object): boolean {
    return value instanceof VirtualBuffer || this.views.has(value);
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
    return new Proxy(real, {
      construct: (target, args: unknown[]) => {
        const [buffer, byteOffset = 0, length] = args as [unknown, number?, number?];
        if (!(buffer instanceof VirtualBuffer)) return Reflect.construct(target, args) as object;
        const units = length ?? (buffer.byteLength - byteOffset) / unit;
        if (byteOffset % unit !== 0 || !Number.isInteger(units) || byteOffset + units * unit > buffer.byteLength) {
          throw new RangeError(`${real.name}: ${units} elements at byte ${byteOffset} do not fit a buffer of ${buffer.byteLength} bytes`);
        }
        const place: ViewPlace = { buffer, firstByte: buffer.firstWord * 4 + byteOffset, byteOffset, length: units };
        const view = make(place);
        this.views.set(view, place);
        return view;
      },
    });
  }

  private atomics(): object {
    const access = (verb: Verb, view: object, index: number, value: number, expected: number): number => {
      const place = this.views.get(view);
      if (place === undefined) throw new TypeError(`Atomics.${verb}: not a view of this virtual memory`);
      if (!(view instanceof Int32Array)) throw new TypeError(`Atomics.${verb}: virtual memory knows it on Int32Array only`);
      if (!Number.isInteger(index) || index < 0 || index >= place.length) throw new RangeError(`Atomics.${verb}: index ${index} of ${place.length} words`);
      return this.perform({ verb, word: (place.firstByte >> 2) + index, mask: -1, value: value | 0, expected: expected | 0 });
    };
    const atomics: Record<string, unknown> = {
      load: (view: object, index: number) => access('load', view, index, 0, 0),
      store: (view: object, index: number, value: number) => (access('store', view, index, value, 0), value),
      compareExchange: (view: object, index: number, expected: number, value: number) => access('compareExchange', view, index, value, expected),
    };
    for (const verb of ['exchange', 'add', 'sub', 'and', 'or', 'xor'] as const) {
      atomics[verb] = (view: object, index: number, value: number) => access(verb, view, index, value, 0);
    }
    return atomics;
  }
}
