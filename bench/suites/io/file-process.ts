/**
 * `file-process.js READER PATH`: reads the file twice as a stream, and prints the figures of the second time as JSON.
 */
import { createReadStream } from 'node:fs';
import { createRuntime } from 'percore';
import { FILE_CHUNK_BYTES, tally, type FileReport, type FileServices } from './file-reactor.js';

export type { FileReport } from './file-reactor.js';
export type Reader = 'io_uring' | 'pool' | 'node' | 'node-large';

async function readByPercore(backend: 'io_uring' | 'pool', path: string): Promise<FileReport> {
  const runtime = await createRuntime<{ calls: FileServices }>({
    entry: new URL('./file-reactor.js', import.meta.url),
    reactors: 1,
  });
  await runtime.call('read', { path, backend });
  const report = await runtime.call('read', { path, backend });
  await runtime.close();
  return report;
}

function readByNode(path: string, options: { highWaterMark?: number }): Promise<FileReport> {
  return new Promise((resolve, reject) => {
    const { add, report } = tally();
    createReadStream(path, options)
      .on('data', (bytes) => add(bytes as Buffer, 0, bytes.length))
      .on('end', () => resolve(report()))
      .on('error', reject);
  });
}

const [reader, path] = process.argv.slice(2) as [Reader, string];
let report: FileReport;
if (reader === 'io_uring' || reader === 'pool') {
  report = await readByPercore(reader, path);
} else {
  const options = reader === 'node' ? {} : { highWaterMark: FILE_CHUNK_BYTES };
  await readByNode(path, options);
  report = await readByNode(path, options);
}
process.stdout.write(`${JSON.stringify(report)}\n`);
