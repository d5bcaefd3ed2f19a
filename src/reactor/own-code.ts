/**
 * What V8 has compiled of this package in this thread, for the threads that it starts: they read that in a fifth of the
 * time that compiling takes. See scripts/bundle/load-script.cjs, which is given it in the thread that was started.
 *
 *     this thread    start threads ──> compile for them, 10 ms ──> code, THERE
 *     each of them     └──> Node begins, 40 ms ───────────> load-script.cjs waits until it is THERE, if at all
 */
import type { Script } from 'node:vm';

interface LoadedScript {
  /** A hash of its text. */
  readonly build: string;
  readonly script: Script;
}

/**
 * The package's scripts in this thread, which their loader puts around each of them. Modules of a checkout, and bundles
 * of applications, have none.
 */
declare const percoreScripts: readonly LoadedScript[] | undefined;

/** Twice what it takes today. Memory that is not written to costs nothing. */
const MOST_BYTES = 2 ** 20;

export interface OwnCode {
  /** Of which text. */
  readonly build: string;
  /** Two words: 0 while it is being made, THERE, or NONE; and its length in bytes. */
  readonly state: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

const THERE = 1;
const NONE = 2;
let promised: readonly OwnCode[] | undefined;

/**
 * That of each script, for all threads that this one starts; made as soon as this thread has done what it is about, so
 * that the threads begin meanwhile. Undefined where the code is not in scripts.
 */
export function ownCode(): readonly OwnCode[] | undefined {
  if (promised === undefined && typeof percoreScripts === 'object') {
    const codes = percoreScripts.map(({ build, script }) => {
      const state = new SharedArrayBuffer(8);
      return { script, code: { build, state, data: new SharedArrayBuffer(MOST_BYTES) } };
    });
    promised = codes.map(({ code }) => code);
    queueMicrotask(() => {
      for (const { script, code } of codes) make(script, code);
    });
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
  // Pairs with the wait in load-script.cjs: the code and its length come before it.
  Atomics.store(words, 0, hasRoom ? THERE : NONE);
  Atomics.notify(words, 0);
}
