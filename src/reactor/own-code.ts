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
  /** What an earlier process has kept of it in the folder PERCORE_CODE_CACHE. */
  readonly kept?: Uint8Array;
}

/**
 * The package's scripts in this thread, which their loader puts around each of them, and what keeps their code if the
 * user has named a folder: see scripts/bundle/kept-code.cjs. Modules of a checkout, and bundles of applications, have
 * neither.
 */
declare const percoreScripts: readonly LoadedScript[] | undefined;
declare const percoreKeeper: (() => { write(build: string, code: Uint8Array): void }) | undefined;

/** Twice what it takes today. Memory that is not written to costs nothing. */
const MOST_BYTES = 2 ** 20;

export interface OwnCode {
  /** Of which text. */
  readonly build: string;
  /** Two words: 0 while it is being made, THERE, or NONE; and its length in bytes. */
  readonly state: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/** When a thread has called what it calls at its start. */
const KEEP_AFTER_MS = 1000;

const THERE = 1;
const NONE = 2;
let promised: readonly OwnCode[] | undefined;

/**
 * That of each script, for all threads that this one starts; made as soon as this thread has done what it is about, so
 * that the threads begin meanwhile. Undefined where the code is not in scripts.
 */
export function ownCode(): readonly OwnCode[] | undefined {
  if (promised === undefined && typeof percoreScripts === 'object') {
    const codes = percoreScripts.map((script) => {
      const state = new SharedArrayBuffer(8);
      return { script, code: { build: script.build, state, data: new SharedArrayBuffer(MOST_BYTES) } };
    });
    promised = codes.map(({ code }) => code);
    queueMicrotask(() => {
      for (const { script, code } of codes) make(script, code);
    });
  }
  return promised;
}

function make({ script, kept }: LoadedScript, { state, data }: OwnCode): void {
  const words = new Int32Array(state);
  const made = kept ?? script.createCachedData();
  const hasRoom = made.length <= data.byteLength;
  if (hasRoom) {
    new Uint8Array(data).set(made);
    words[1] = made.length;
  }
  // Pairs with the wait in load-script.cjs: the code and its length come before it.
  Atomics.store(words, 0, hasRoom ? THERE : NONE);
  Atomics.notify(words, 0);
}

let isKeeping = false;

/**
 * Keeps the code of this thread for later processes, where the user has named a folder for that and it was not kept
 * before. It takes the thread some 10 ms, once for each version of Node and of the package: a second from now, or at
 * the end of the thread.
 */
export function keepCode(): void {
  if (isKeeping || typeof percoreKeeper !== 'function') return;
  isKeeping = true;
  const keep = (): void => {
    clearTimeout(timer);
    process.off('exit', keep);
    for (const { build, script, kept } of percoreScripts!) {
      if (kept === undefined) percoreKeeper!().write(build, script.createCachedData());
    }
  };
  const timer = setTimeout(keep, KEEP_AFTER_MS).unref();
  process.on('exit', keep);
}
