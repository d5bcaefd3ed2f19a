/**
 * What V8 has compiled of this package in this thread, for the threads that it starts: they read that in a fifth of the
 * time that compiling takes. See scripts/bundle/load-core.cjs, which is given it in the thread that was started.
 *
 *     this thread    start threads ──> compile for them, 10 ms ──> code, THERE
 *     each of them     └──> Node begins, 40 ms ─────────────> load-core.cjs waits until it is THERE, if at all
 */
import type { Script } from 'node:vm';

/** Put around the package's script by its loader. Modules of a checkout, and bundles of applications, have none. */
declare const percoreCode: { readonly build: string; readonly script: Script } | undefined;

/** Twice what it takes today. Memory that is not written to costs nothing. */
const MOST_BYTES = 2 ** 21;

export interface OwnCode {
  /** Of which text. */
  readonly build: string;
  /** Two words: 0 while it is being made, THERE, or NONE; and its length in bytes. */
  readonly state: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

const THERE = 1;
const NONE = 2;
let promised: OwnCode | undefined;

/**
 * One for all threads that this one starts; made as soon as this thread has done what it is about, so that the threads
 * begin meanwhile. Undefined where the code is not in one script.
 */
export function ownCode(): OwnCode | undefined {
  if (promised === undefined && typeof percoreCode === 'object') {
    const { build, script } = percoreCode;
    promised = { build, state: new SharedArrayBuffer(8), data: new SharedArrayBuffer(MOST_BYTES) };
    const code = promised;
    queueMicrotask(() => make(script, code));
  }
  return promised;
}

function make(script: Script, { state, data }: OwnCode): void {
  const words = new Int32Array(state);
  const made = script.createCachedData();
  const hasRoom = made.length <= data.byteLength;
  if (hasRoom) {
    new Uint8Array(data).set(made);
    words[1] = made.length;
  }
  // Pairs with the wait in load-core.cjs: the code and its length come before it.
  Atomics.store(words, 0, hasRoom ? THERE : NONE);
  Atomics.notify(words, 0);
}
