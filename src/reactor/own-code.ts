/**
 * What V8 has compiled of this package in this thread, for the threads that it starts: they read that in a fifth of the
 * time that compiling takes. See scripts/bundle/load-core.cjs, which is given it in the thread that was started.
 */
import type { Script } from 'node:vm';

/** Put around the package's script by its loader. Modules of a checkout, and bundles of applications, have none. */
declare const percoreCode: { readonly build: string; readonly script: Script } | undefined;

export interface OwnCode {
  /** Of which text. */
  readonly build: string;
  readonly data: SharedArrayBuffer;
}

let made: OwnCode | undefined;

/** Made by the first call, in 5 ms; one for all threads. Undefined where the code is not in one script. */
export function ownCode(): OwnCode | undefined {
  if (made !== undefined || typeof percoreCode !== 'object') return made;
  const { build, script } = percoreCode;
  const data = script.createCachedData();
  made = { build, data: new SharedArrayBuffer(data.length) };
  new Uint8Array(made.data).set(data);
  return made;
}
