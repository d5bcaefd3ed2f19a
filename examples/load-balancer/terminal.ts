/** What the program says on standard output and standard error, whoever reads them and however long. */
import type { Runtime } from 'percore';
import type { JobCounters } from './counters.js';
import { LiveTable } from './live-table.js';
import type { Options } from './options.js';
import type { JobServices, Ports } from './reactor.js';
import type { JobReport } from './report.js';

// Readers may leave at any time: `print` says so where it matters, and no error is left without a handler.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

/** Writes to standard output or error. False when nobody reads it any more, or its disk is full: the job goes on. */
export function print(stream: NodeJS.WriteStream, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      stream.write(text, (error) => resolve(error === undefined || error === null));
    } catch {
      // A file is written at once, and throws.
      resolve(false);
    }
  });
}

/** Says where it listens, and how a stranger feeds and reads it. */
export async function announce(options: Options, { input, output }: Ports): Promise<void> {
  const { host } = options;
  const { from: stream } = options;
  // Without who connects, and the password.
  const broker = stream === undefined ? undefined : `${stream.server.replace(/\/\/.*@/, '//')}/${stream.name}`;
  const from = input === undefined ? (broker ?? options.file ?? 'stdin') : `${host}:${input}`;
  await print(process.stdout, `listening input=${from} output=${host}:${output}\n`);
  if (options.isJson || options.isDemo) return;
  const to = (port: number): string => `bash -c 'cat > /dev/tcp/${host}/${port}'`;
  const lines = [`read results:  bash -c 'cat < /dev/tcp/${host}/${output}'`];
  if (input !== undefined) {
    lines.push(`a flood:       awk 'BEGIN { for (;;) print 1, "key" n++ % 100, "hello" }' | ${to(input)}`);
    lines.push(`urgent lines:  while sleep 0.1; do echo 6 alarm now; done | ${to(input)}`);
    await print(process.stderr, 'A flood and an urgent stream at once, without other terminals: npm start -- --demo\n');
  }
  await print(process.stderr, `In other terminals, side by side:\n  ${lines.join('\n  ')}\n`);
}

/** Draws the table each second: over the one before on a terminal, below it elsewhere. */
export function drawTable(runtime: Runtime<{ calls: JobServices }>, counters: readonly JobCounters[]): NodeJS.Timeout {
  const table = new LiveTable(counters);
  let rows = 0;
  return setInterval(() => {
    const text = table.draw(runtime.status());
    const back = process.stderr.isTTY && rows !== 0 ? `\x1b[${rows}A\x1b[J` : '';
    void print(process.stderr, `${back}${text}\n`);
    rows = text.split('\n').length;
  }, 1000);
}

/** What readers of results have missed, and why; nothing if they have everything. */
function losses({ evicted, resultsUnsent }: JobReport['outputs']): string {
  if (evicted === 0 && resultsUnsent === 0) return '';
  const tooSlow = evicted === 0 ? ''
    : `; ${evicted} ${evicted === 1 ? 'reader was' : 'readers were'} too slow for --output-backlog-bytes and dropped, `
      + 'and had nothing from then on';
  return `${resultsUnsent} results did not reach a reader${tooSlow}\n`;
}

/** Prints the figures at the end. False when whoever asked for the report could not be given it. */
export async function tell(report: JobReport, isJson: boolean): Promise<boolean> {
  if (!isJson) {
    const { linesIn, results, rejected, dropped, outputs, elapsedMs } = report;
    const bad = Object.values(rejected).reduce((sum, count) => sum + count, 0);
    const figures = `${linesIn} lines in, ${results} results, ${bad} rejected, ${dropped} dropped`;
    await print(process.stderr, `${figures} in ${elapsedMs} ms\n${losses(outputs)}`);
    return true;
  }
  const text = JSON.stringify(report);
  if (await print(process.stdout, `${text}\n`)) return true;
  await print(process.stderr, `standard output cannot be written to any more, so the report is here: ${text}\n`);
  return false;
}
