/** Every example runs as its reader would run it, ends by itself, and says what it promises. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('.', import.meta.url));
const promises: Record<string, RegExp> = {
  '01-call.js': /^1 \+ 2 = 3\n$/,
  '02-ping-pong.js': /^100000 rounds, median \d+ ns there and back\n$/,
  '03-priorities.js': /^the urgent message ran after 100 of 1000 bulk messages\n$/,
  '04-timers.js': /^500 ticks at 1 kHz: median lateness \d+ µs, drift 0 ns, missed \d+\n$/,
  '05-tcp-echo.js': /^echo: hello\n$/,
  '06-queue.js': /^160000 records, sum 12799920000\n$/,
  '07-publisher.js':
    /^journal: 200000 read, in order\nstrategy: 200000 read, in order\ndisplay: 200000 read( or lost)?, in order\n$/,
  '08-subscriber.js': /^4 producers, 2 of 4 lanes handed over, every record read once\n$/,
  '09-bands.js':
    /^order 0, order 1, order 2, order 3, quote 0, order 4, order 5, order 6, order 7, quote 1, quote 2\n$/,
  '10-rate-control.js':
    /^Whether you are using .*\n50 Hz asked, 5 Hz granted; \d+ letters heard, the longest word is .*\n +tokens +p50 .*\nspeech 2-5 Hz +\d+( +\d+ us){4}\nvoice 30 Hz +\d+( +\d+ us){4}\nsentiment 10 Hz +\d+( +\d+ us){4}\n$/,
  '11-console.js':
    /^this is reactor 0\nadd      the sum of its numbers\nhelp     what can be asked here\nquit     leave\nsources  open listeners and connections\n42\n2 sources\nerror: there is no command "subtract"; try help\n$/,
  '12-tls.js': /^TLSv1\.3, authorized: true, echo: hello\n$/,
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
});
