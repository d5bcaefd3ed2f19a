/**
 * The plain fields of the objects that one virtual thread owns: cached cursors, counters, lists of what it received. They
 * are saved where a call starts, put back for each replay, and are part of the state's key. One level deep, on purpose: a
 * field holds a primitive, an array of primitives (copied), or a reference to something without state of its own here (a
 * function, a shared view, another owned object). Anything else would be state that escapes the replay, so it throws.
 */
export interface SavedState {
  readonly values: readonly unknown[];
  /** Equal for equal contents. */
  readonly key: string;
}

export class PrivateState {
  private readonly slots: { object: Record<string, unknown>; field: string }[] = [];
  private readonly identities = new Map<unknown, number>();

  /** `isStateless` says which objects may be referred to without being saved. Fields cannot be added to `objects` afterwards. */
  constructor(private readonly owner: string, objects: readonly object[], private readonly isStateless: (value: object) => boolean) {
    for (const object of objects) this.identify(object);
    for (const object of objects) {
      Object.preventExtensions(object);
      for (const field of Object.keys(object)) this.slots.push({ object: object as Record<string, unknown>, field });
    }
    this.save();
  }

  save(): SavedState {
    let key = '';
    const values = this.slots.map(({ object, field }) => {
      const value = object[field];
      key += `${this.keyOf(field, value)},`;
      return Array.isArray(value) ? [...(value as unknown[])] : value;
    });
    return { values, key };
  }

  restore(saved: SavedState): void {
    for (let i = 0; i < this.slots.length; i++) {
      const value = saved.values[i];
      this.slots[i].object[this.slots[i].field] = Array.isArray(value) ? [...(value as unknown[])] : value;
    }
  }

  private keyOf(field: string, value: unknown): string {
    if (typeof value === 'number' || value === undefined || value === null || typeof value === 'boolean') return String(value);
    if (typeof value === 'string') return JSON.stringify(value);
    if (Array.isArray(value) && value.every((item) => typeof item !== 'object' && typeof item !== 'function')) return JSON.stringify(value);
    if (typeof value === 'function' || (typeof value === 'object' && (this.identities.has(value) || this.isStateless(value)))) return `@${this.identify(value)}`;
    throw new TypeError(`${this.owner}: field ${field} holds ${Object.prototype.toString.call(value)}, which would escape the replay; list it in owns`);
  }

  private identify(value: unknown): number {
    const known = this.identities.get(value);
    if (known !== undefined) return known;
    this.identities.set(value, this.identities.size);
    return this.identities.size - 1;
  }
}
