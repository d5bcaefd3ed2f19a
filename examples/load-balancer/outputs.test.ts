/** Readers of results: small backlogs, half-closed sides, and those that leave. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Job, MAIN, Peer, endAll, isWhole, reader, until } from './fixtures/job.js';
import type { JobReport } from './report.js';
import { tell } from './terminal.js';

afterEach(endAll);

/** Lines of one band, fed as fast as they are worked, so that a reader that reads is never far behind. */
async function feed(job: Job, output: Peer, band: number, lines: number): Promise<void> {
  const input = new Peer(job.input);
  const before = output.lineCount;
  for (let from = 0; from < lines; from += 500) {
    input.socket.write(Array.from({ length: 500 }, (_, i) => `${band} k${i % 9} some payload ${from + i}\n`).join(''));
    await until(() => output.lineCount - before >= from, () => `${output.lineCount - before} results of ${from}`);
  }
  await until(() => output.lineCount - before >= lines, () => `${output.lineCount - before} results`);
  input.socket.end();
}

describe('a reader that keeps up', () => {
  it.each([1, 4096, 65_535])('is not dropped with a backlog of %i bytes, whatever the bands', async (bytes) => {
    const job = await Job.start('--reactors', '2', '--output-backlog-bytes', String(bytes));
    const output = await reader(job);
    for (const band of [1, 7]) await feed(job, output, band, 10_000);
    const { code, report } = await job.stop();
    expect([code, report.outputs.evicted, report.outputs.resultsUnsent, isWhole(report)]).toEqual([0, 0, 0, true]);
  });

  it('and has the longest key gets its results with the smallest backlog', async () => {
    const job = await Job.start('--reactors', '1', '--output-backlog-bytes', '1');
    const output = await reader(job);
    const key = 'k'.repeat(65_500);
    const input = new Peer(job.input);
    for (let i = 0; i < 20; i++) input.socket.write(`2 ${key} x\n`);
    await until(
      () => output.lines.filter((line) => line.includes(key)).length === 20,
      () => `${output.lineCount} results`,
    );
    expect((await job.stop()).report.outputs).toMatchObject({ evicted: 0, resultsUnsent: 0 });
  });
});

it('what readers have missed is said at the end, and why', async () => {
  const told: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation(((text: string, done: () => void) => {
    told.push(text);
    done();
    return true;
  }) as never);
  const report = { linesIn: 9, results: 9, rejected: {}, dropped: 0, elapsedMs: 5 };
  try {
    for (const [evicted, resultsUnsent] of [[0, 0], [1, 7], [0, 3]]) {
      await tell({ ...report, outputs: { connected: 2, evicted, resultsUnsent } } as JobReport, false);
    }
  } finally {
    write.mockRestore();
  }
  const figures = '9 lines in, 9 results, 0 rejected, 0 dropped in 5 ms\n';
  const slow = '; 1 reader was too slow for --output-backlog-bytes and dropped, and had nothing from then on';
  expect(told).toEqual([
    figures, `${figures}7 results did not reach a reader${slow}\n`, `${figures}3 results did not reach a reader\n`,
  ]);
});

it('a reader that has ended its own side gets every result, and the end after them', async () => {
  const job = await Job.start('--reactors', '2');
  const output = await reader(job);
  output.socket.end();
  await new Promise((resolve) => setTimeout(resolve, 100));
  await feed(job, output, 3, 2000);
  let hasEnded = false;
  output.socket.on('end', () => (hasEnded = true));
  const { code, report } = await job.stop();
  await until(() => hasEnded, () => 'no end');
  expect([code, report.outputs.evicted, report.outputs.resultsUnsent]).toEqual([0, 0, 0]);
  expect(output.lines.filter((line) => / k\d /.test(line))).toHaveLength(2000);
});

it('a reader that leaves is no output any more in what a terminal is shown', async () => {
  // `script` gives it a terminal, on which it draws its table.
  const child = spawn(
    'script', ['-qfec', `exec '${process.execPath}' '${MAIN}' --port 0 --output-port 0 --reactors 1`, '/dev/null'],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  try {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
    await until(() => /listening input=\S+ output=\S+/.test(text), () => text);
    const [, input, output] = /listening input=\S+:(\d+) output=\S+:(\d+)/.exec(text)!;
    const peer = new Peer(Number(output));
    await until(() => text.includes('outputs 1 of 1'), () => text);
    peer.socket.destroy();
    await until(() => /outputs 0 of 1/.test(text), () => text);
    // Whether it has gone altogether, the next result tells.
    const feeder = new Peer(Number(input));
    const feeding = setInterval(() => feeder.socket.write('3 key x\n'), 50);
    await until(
      () =>
        text.split('outputs').at(-1)!.startsWith(' 0 of 1,') && !text.split('outputs').at(-1)!.includes('half-closed'),
      () => text.slice(-500),
    );
    clearInterval(feeding);
    feeder.socket.destroy();
    const closed = once(child, 'exit');
    child.stdin.write('\x03');
    expect(await closed).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
