/** The part of ringbufferjs 2.0 that window.ts and its model use; the package brings no types. */
declare module 'ringbufferjs' {
  export default class RingBuffer<T> {
    /** `evicted` is called with each element that `enq` is about to overwrite. */
    constructor(capacity: number, evicted?: (element: T) => void);
    capacity(): number;
    size(): number;
    enq(element: T): number;
    /** Throws when empty. */
    deq(): T;
    /** Throws when empty. */
    peek(): T;
    peekN(count: number): T[];
  }
}
