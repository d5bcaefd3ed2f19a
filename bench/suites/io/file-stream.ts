/**
 * Row `file-stream`: 1 GiB is read from the page cache as a stream. Each run is a process of its own that has read the
 * file once before. All bytes are counted, and the first and last byte of each chunk are compared. `source` says by
 * what ours reads: io_uring, or Node's pool.
 */
import { mkdtempSync, openSync, closeSync, writeSync, fdatasyncSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { check, compare, finding, type Bench, type Contender, type Figure, type Finding } from '../../harness.js';
import { runProgram } from '../../programs.js';
import { STREAM_BYTES, streamBytes } from './stream.js';
import type { FileReport, Reader } from './file-process.js';

const RUNS = 5;
const FILE_BYTES = 2 ** 30;
const NODE = 'fs.createReadStream';

export const fileStream: Bench = {
  name: 'file-stream',
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'percore-bench-'));
    try {
      const path = join(directory, 'file');
      writeFile(path);
      const refusals = new Map<Reader, string>();
      const contender = (name: string, reader: Reader): Contender<'rate'> => ({
        name,
        async run() {
          const report = (await runProgram('taskset', [
            '-c', twoCpus().join(','), process.execPath, fileURLToPath(new URL('./file-process.js', import.meta.url)),
            reader, path,
          ])) as unknown as FileReport;
          check(
            report.bytes === FILE_BYTES && report.isRight,
            `${name} read ${report.bytes} of ${FILE_BYTES} bytes${report.isRight ? '' : ', and not those of the file'}`,
          );
          if (report.refusal !== undefined) refusals.set(reader, report.refusal);
          return { rate: report.bytes / report.ns };
        },
      });
      const figure = (source: string): Figure<'rate'> => ({
        of: 'rate',
        metric: 'rate',
        unit: 'GB/s',
        better: 'higher',
        params: { source, fileBytes: FILE_BYTES },
        targets: { [NODE]: { of: 'ratio', atLeast: 1.3 } },
      });
      const all = await compare<'rate'>({
        runs: RUNS,
        ours: contender('io_uring', 'io_uring'),
        baselines: [
          contender(NODE, 'node'), contender(`${NODE}, chunks as ours`, 'node-large'), contender('pool', 'pool'),
        ],
        hasOursAmongBaselines: true,
        figures: [figure('io_uring')],
      });
      const refusal = refusals.get('io_uring');
      const pool = all.find(({ baseline }) => baseline.name === 'pool')!.samples.baseline;
      const nodes = all.filter(({ baseline }) => baseline.name !== 'pool');
      const ofPool = nodes.map(({ baseline, samples }): Finding =>
        finding(figure('pool'), pool, baseline.name, samples.baseline),
      );
      return [
        ...(refusal === undefined
          ? nodes
          : nodes.map((row): Finding => ({
              ...row,
              params: { ...row.params, source: 'pool' },
              note: `io_uring was not granted: ${refusal}`,
            }))),
        ...ofPool,
      ];
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** Writes the file and syncs it to the disk, so that no write-back goes on during the reading. */
function writeFile(path: string): void {
  const fd = openSync(path, 'w');
  try {
    const bytes = streamBytes();
    for (let at = 0; at < FILE_BYTES; at += STREAM_BYTES) writeSync(fd, bytes);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
