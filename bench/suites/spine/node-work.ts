/**
 * The work of `node-beside-spin`, which is the same in a reactor and in a worker. Each call runs by itself and is timed
 * from the call to its result.
 */
import { readFile } from 'node:fs';
import { percentile } from '../../harness.js';

export type What = 'setImmediate' | 'fs.readFile' | 'fetch';

export interface NodeWork {
  readonly file: string;
  readonly fileBytes: number;
  readonly url: string;
  readonly body: string;
  readonly rounds: Readonly<Record<What, number>>;
}
export interface NodeWorkResult {
  readonly wrong: number;
  readonly p50Us: Record<What, number>;
}

const WARMUP_SHARE = 0.2;

export async function doNodeWork(work: NodeWork): Promise<NodeWorkResult> {
  let wrong = 0;
  const once: Record<What, () => Promise<boolean>> = {
    'setImmediate': () => new Promise((resolve) => setImmediate(resolve, true)),
    'fs.readFile': () =>
      new Promise((resolve) =>
        readFile(work.file, (error, bytes) => resolve(error === null && bytes.length === work.fileBytes)),
      ),
    'fetch': async () => (await (await fetch(work.url)).text()) === work.body,
  };
  const p50Us = {} as Record<What, number>;
  for (const what of Object.keys(once) as What[]) {
    const rounds = work.rounds[what];
    const samplesUs = new Float64Array(rounds);
    for (let round = -Math.ceil(rounds * WARMUP_SHARE); round < rounds; round++) {
      const startMs = performance.now();
      const isRight = await once[what]();
      if (!isRight) wrong++;
      if (round >= 0) samplesUs[round] = (performance.now() - startMs) * 1000;
    }
    p50Us[what] = percentile(samplesUs.sort(), 50);
  }
  return { wrong, p50Us };
}
