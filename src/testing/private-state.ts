/**
 * Everything that one virtual thread remembers between steps: the fields of the objects that it owns, and of all
 * objects that can be reached from them, including those that a step has made and kept. This state is saved where a
 * step starts, put back for each replay, and is part of the key of a state.
 *
 *     owns --> producer { next: 5, words: <virtual view> }    saved: the fields of each object that can be reached
 *          --> my { lanes: [ --> consumer { next: 3 } ] }     key:   the same, with objects numbered as they are met
 *
 * Two saved states have the same key if they look alike, even if different steps have made their objects. Ordinary
 * objects, arrays, and typed arrays over ordinary memory can be saved. Functions and virtual views have no state of
 * their own and stand for themselves. Anything else (a Map, a Promise, a #private field) would be state that escapes
 * the replay; where that can be noticed, it throws.
 */

/** One saved state. */
export interface SavedState {
  readonly objects: readonly object[];
  /** For each object: the values of its fields, its elements, or its bytes. */
  readonly contents: readonly (readonly unknown[] | Uint8Array)[];
  /** Equal for equal contents. */
  readonly key: number;
}

export class PrivateState {
  /** The fields of each object that was ever met. None can be added after that. */
  private readonly fields = new WeakMap<object, readonly string[]>();
  /** The contents met so far, as text, and their numbers. */
  private readonly keys = new Map<string, number>();
  private readonly functions = new Map<unknown, number>();
  private readonly unobserved: ReadonlySet<string>;

  /**
   * `identityOf` names values that have no state of their own. Fields whose names are in `unobserved` are put back but
   * are no part of the key.
   */
  constructor(
    private readonly owner: string, private readonly roots: readonly object[],
    private readonly identityOf: (value: object) => string | undefined, unobserved: readonly string[] = [],
  ) {
    this.unobserved = new Set(unobserved);
    this.save();
  }

  save(): SavedState {
    const numbers = new Map<object, number>();
    const objects: object[] = [];
    const contents: (readonly unknown[] | Uint8Array)[] = [];
    const meet = (object: object): number => {
      const known = numbers.get(object);
      if (known !== undefined) return known;
      numbers.set(object, objects.length);
      return objects.push(object) - 1;
    };
    for (const root of this.roots) meet(root);
    let key = '';
    // The array grows in this loop, as objects are met.
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i];
      if (object instanceof ArrayBuffer) {
        const bytes = new Uint8Array(object.slice(0));
        contents.push(bytes);
        key += `<${bytes.join()}>`;
        continue;
      }
      if (Array.isArray(object)) {
        const elements: unknown[] = [...(object as unknown[])];
        contents.push(elements);
        key += '[';
        for (const element of elements) key += `${this.keyOf('of an array', element, meet)},`;
        key += ']';
        continue;
      }
      const fields = this.fieldsOf(object);
      const values: unknown[] = [];
      for (const field of fields) {
        const value = (object as Record<string, unknown>)[field];
        values.push(value);
        if (!this.unobserved.has(field)) key += `${this.keyOf(field, value, meet)},`;
      }
      contents.push(values);
      key += ';';
    }
    let number = this.keys.get(key);
    if (number === undefined) this.keys.set(key, number = this.keys.size);
    return { objects, contents, key: number };
  }

  restore({ objects, contents }: SavedState): void {
    for (let i = 0; i < objects.length; i++) {
      const object = objects[i];
      const content = contents[i];
      if (object instanceof ArrayBuffer) {
        new Uint8Array(object).set(content as Uint8Array);
      } else if (Array.isArray(object)) {
        object.length = content.length;
        for (let j = 0; j < content.length; j++) object[j] = content[j];
      } else {
        const fields = this.fields.get(object)!;
        for (let j = 0; j < fields.length; j++) {
          // Most fields never change, and some must not be written.
          if ((object as Record<string, unknown>)[fields[j]] !== content[j])
            (object as Record<string, unknown>)[fields[j]] = content[j];
        }
      }
    }
  }

  private fieldsOf(object: object): readonly string[] {
    const known = this.fields.get(object);
    if (known !== undefined) return known;
    Object.preventExtensions(object);
    const fields = Object.keys(object);
    this.fields.set(object, fields);
    return fields;
  }

  private keyOf(field: string, value: unknown, meet: (object: object) => number): string {
    switch (typeof value) {
      case 'number': return Object.is(value, -0) ? '-0' : String(value);
      case 'boolean': case 'undefined': return String(value);
      case 'bigint': return `${value}n`;
      case 'string': return JSON.stringify(value);
      case 'function': return this.nameOfFunction(value);
      case 'object': break;
      default: throw this.escapes(field, value);
    }
    if (value === null) return 'null';
    const identity = this.identityOf(value);
    if (identity !== undefined) return `<${identity}>`;
    if (ArrayBuffer.isView(value)) {
      if (!(value.buffer instanceof ArrayBuffer)) throw this.escapes(field, value);
      return `${Object.prototype.toString.call(value)}${value.byteOffset}+${value.byteLength}@${meet(value.buffer)}`;
    }
    if (
      Array.isArray(value)
      || value instanceof ArrayBuffer
      || Object.prototype.toString.call(value) === '[object Object]'
    )
      return `@${meet(value)}`;
    throw this.escapes(field, value);
  }

  private nameOfFunction(value: unknown): string {
    const known = this.functions.get(value);
    if (known !== undefined) return `f${known}`;
    this.functions.set(value, this.functions.size);
    return `f${this.functions.size - 1}`;
  }

  private escapes(field: string, value: unknown): TypeError {
    return new TypeError(
      `${this.owner}: field ${field} holds ${Object.prototype.toString.call(value)}, which would escape the replay`,
    );
  }
}
