/** Every example runs as its reader would run it, ends by itself, and says what it promises. */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sources = fileURLToPath(new URL('../../examples/', import.meta.url));

const rates = String.raw` +\d+( +\d+ us){4}`;
const promises: Record<string, RegExp> = {
  '01-call.js': /^1 \+ 2 = 3\n$/,
  '02-ping-pong.js': /^20000 rounds, median \d+ ns there and back\n$/,
  '03-priorities.js': /^the urgent message ran after 100 of 1000 bulk messages\n$/,
  '04-timers.js': /^500 ticks at 1 kHz: median lateness \d+ µs\ndrift 0 ns, missed \d+\n$/,
  '05-tcp-echo.js': /^2100000 bytes echoed, all as they were sent\n$/,
  '06-queue.js': /^160000 records, sum 12799920000\n$/,
  '07-publisher.js': /^strategy: 200000 read, 0 lost, of 200000\ndisplay: \d+ read, \d+ lost, of 200000\n$/,
  '08-subscriber.js': /^50000 \+ 50000 \+ 50000 \+ 50000 records of 4 producers, each in its order\n$/,
  '09-bands.js':
    /^order 0, order 1, order 2, order 3, quote 0, order 4, order 5, order 6, order 7, quote 1, quote 2\n$/,
  '10-rate-control.js': new RegExp(
    String.raw`^Whether you are using .*\n50 Hz asked, 5 Hz granted; \d+ letters heard, the longest word is .*\n` +
      String.raw` +tokens +p50 .*\nspeech 2-5 Hz${rates}\nvoice 30 Hz${rates}\nsentiment 10 Hz${rates}\n$`,
  ),
  '11-console.js': new RegExp(
    String.raw`^this is reactor 0\nadd   the sum of its numbers\nhelp  what can be asked here\n` +
      String.raw`open  listeners and connections\nquit  leave\n42\n2 open\n` +
      String.raw`error: there is no command "subtract"; try help\n$`,
  ),
  '12-tls.js': /^TLSv1\.3, authorized: true, echo: hello\n$/,
  '13-stages.js': /^50000 quotes read by the strategy, each after the journal\n$/,
  '14-hand-over.js': /^both consumers read, 50000 records in all\n$/,
  '15-queue-in-a-reactor.js': /^100000 orders, 2500025000 in all\n$/,
  '16-processes.js': /^5000 rounds, \d+ ns there and back\n$/,
  '17-supervision.js':
    /^1089 numbers, 1197900 in all; 11 errors; begun anew: \{"pipeline":1,"add":0,"double":0\}\n$/,
  '18-topics.js':
    /^the sum of all is 4999950007\nthe last price was 7, retained: true\nthe display has had or dropped all 100000\n$/,
  '19-restart.js': /^3 deaths, and every number has come or is counted as lost\n$/,
  '20-streaming-answer.js': /^the last price is 1000; 1 generator has ended\n$/,
  '21-offload.js': /^pong while it hashes\n[0-9a-f]{8} came before the last of 10\n$/,
  '22-sharded-counter.js': /^9 words over 2 shards; the most frequent is "the", 4 times\n$/,
  '23-topology.js': new RegExp(
    String.raw`^total 1193\nfront: parse idle, band 1, 3 steps\nbook: match ended\n` +
      String.raw`front: reactor 0 of 2\n  task parse: .*\n.*\n\nbook: reactor 1 of 2\n  task match: ended\n\n` +
      String.raw`main: the main thread\n\nsends\n  main -> parse\n  parse -> match\n$`,
  ),
  '24-order-book.js': /^(\d+) trades in parallel, \1 in sequence\n$/,
  '25-machines.js': /^2000 results of a and b, 0 out of the order of their keys\n$/,
  '26-queue-in-a-file.js': /^the order 199999 was the last, and 1 child was started anew\n$/,
  '27-fast-delivery.js': /^2100000 bytes, all in capitals\n\d+ MB\/s through one thread\n$/,
  '40-levels.js': new RegExp(
    String.raw`^A: .*\nB: .*\nC: .*, shared = 1\nD: high\nE: .*, shared = 2\nF: .*\n`
      + String.raw`(?:preemptive|by turns, more slowly: .+)\n$`,
  ),
  '41-levels-ping-pong.js': /^2000 rounds, \d+ ns there and back\n(?:at SCHED_FIFO 1|more slowly: .+)\n$/,
  '42-levels-periodic.js':
    /^200 ticks above a busy task: drift 0 ns, median lateness \d+ µs\n(?:preemptive|by turns, later: .+)\n$/,
  '43-levels-interleaved.js':
    /^2000 entries of two cores, the sum is 0\n(?:at SCHED_FIFO 1|more slowly: .+)\n$/,
  '44-sampler.js': new RegExp(
    String.raw`^cat has logged 400 samples, each 500 µs after the one before\n`
      + String.raw`(?:at SCHED_FIFO 1|at no real-time priority: .+)\n0 dropped\n$`,
  ),
  '45-mixer.js': new RegExp(
    String.raw`^voice 1 from 0 to 0\.5\nall blocks counted, \d+ missed, at worst \d+ µs late\n`
      + String.raw`(?:at SCHED_FIFO 50|more slowly: .+)\n$`,
  ),
};

describe('examples', () => {
  it('are all listed here', () => {
    expect(readdirSync(folder).filter((file) => /^\d\d-.*\.js$/.test(file)).toSorted()).toEqual(Object.keys(promises));
  });

  it.each(Object.keys(promises))('%s', async (file) => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${folder}${file}`], { timeout: 30_000 });
    expect(stdout).toMatch(promises[file]!);
    expect(stderr).toBe('');
  });

  it.each(Object.keys(promises))('%s can be read on one screen', (file) => {
    const lines = readFileSync(`${sources}${file.replace('.js', '.ts')}`, 'utf8').split('\n');
    expect(lines.length).toBeLessThanOrEqual(60);
    expect(lines.filter((line) => line.length > 120)).toEqual([]);
  });
});
