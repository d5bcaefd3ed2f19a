/** Standard input and other descriptors that somebody else has as well, in processes started as a shell does it. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coreOf } from './io.js';
import { create } from './local-io.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'percore-stdin-'));
  writeFileSync(join(folder, 'lines'), 'first\nsecond\nthird\n');
  writeFileSync(join(folder, 'many'), Buffer.alloc(1 << 20, 'many bytes\n'));
  for (const source of ['epoll', 'io_uring']) {
    // Says what it has read, and ends by itself.
    writeFileSync(join(folder, `${source}.mjs`), `
      import { create } from '${new URL('./index.js', import.meta.url).href}';
      let text = '', bytes = 0;
      create({ source: '${source}' }).stdin().onData((part) => {
        bytes += part.length;
        if (text.length < 100) text += Buffer.from(part);
      })
        .onEnd(() => console.log(JSON.stringify({ text: text.slice(0, 40), bytes })))
        .onClose((error) => error && console.log(error.message));
    `);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(['epoll', 'io_uring'])('standard input on %s', (source) => {
  const shell = async (script: string): Promise<string> => {
    const { stdout } = await promisify(execFile)('/bin/bash', ['-c', script], {
      cwd: folder, timeout: 20_000,
      env: { ...process.env, READ: `${process.execPath} ${join(folder, `${source}.mjs`)}` },
    });
    return stdout;
  };

  it.each([
    ['a regular file, read to its end', '$READ < lines', { text: 'first\nsecond\nthird\n', bytes: 19 }],
    ['a large file', '$READ < many', { text: 'many bytes\n'.repeat(4).slice(0, 40), bytes: 1 << 20 }],
    ['/dev/null', '$READ < /dev/null', { text: '', bytes: 0 }],
    ['an empty file', ': > empty; $READ < empty', { text: '', bytes: 0 }],
    ['a file of /sys', '$READ < /sys/class/net/lo/mtu', { text: '65536\n', bytes: 6 }],
    [
      'a file from where the shell stopped reading it', '(read -r line; $READ) < lines',
      { text: 'second\nthird\n', bytes: 13 },
    ],
    ['a pipe that begins late', '(sleep 0.2; echo late) | $READ', { text: 'late\n', bytes: 5 }],
    [
      'a pipe from where the shell stopped reading it', 'printf "one\\ntwo\\n" | (read -r line; $READ)',
      { text: 'two\n', bytes: 4 },
    ],
  ])('is %s', async (_name, script, expected) => {
    expect(JSON.parse(await shell(script))).toEqual(expected);
  });

  it('leaves the file at the place where it stopped, for whoever reads on', async () => {
    expect(await shell('($READ > /dev/null; cat) < lines')).toBe('');
    expect(await shell('(head -c 6 > /dev/null; $READ > /dev/null; echo behind) < lines')).toBe('behind\n');
  });

  it('that is a pipe stays blocking for others who share its open file', async () => {
    // The second reader of the same open file would get EAGAIN, had the first set O_NONBLOCK on it.
    const flags = "grep -qE '^flags:.*[4-7][0-7]{3}$' /proc/$$/fdinfo/9 && echo non-blocking || echo blocking";
    expect(
      await shell(`exec 9< <(sleep 0.5; echo x; sleep 0.5); ($READ <&9 > /dev/null 2>&1 &); sleep 0.4; ${flags}`),
    ).toBe('blocking\n');
  });

  it('that somebody else has made non-blocking is read all the same', async () => {
    const script = `
      const { spawn } = require('node:child_process'), { openSync, writeSync, constants } = require('node:fs');
      require('node:child_process').execFileSync('mkfifo', ['nonblocking-${source}']);
      const fd = openSync('nonblocking-${source}', constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync('nonblocking-${source}', constants.O_WRONLY);
      const child = spawn(process.execPath, ['${source}.mjs'], { stdio: [fd, 'inherit', 'inherit'] });
      setTimeout(() => {
        writeSync(writer, 'late\\n');
        process.exitCode = 0;
        require('node:fs').closeSync(writer);
      }, 300);
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: folder, timeout: 20_000 });
    expect(JSON.parse(stdout)).toEqual({ text: 'late\n', bytes: 5 });
  });
});

it.each(['epoll', 'io_uring'] as const)(
  'a pipe that is taken over stays blocking for whoever has another number of it, on %s',
  async (source) => {
    const script = `
    import { readFileSync, closeSync } from 'node:fs';
    import { create } from '${new URL('./index.js', import.meta.url).href}';
    const flagsOf = (fd) => /flags:\\s*(\\d+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1];
    const isBlocking = (fd) => (parseInt(flagsOf(fd), 8) & 0o4000) === 0;
    const io = create({ source: '${source}' });
    let text = '';
    // 7 and 8 are one open file, as the shell has made them.
    io.openPipe(7, 'read').onData((part) => void (text += Buffer.from(part))).onClose(() => {
      console.log(text, isBlocking(8));
      io.close();
    });
    console.log(isBlocking(7), isBlocking(8));
  `;
    const text = execFileSync(
      '/bin/bash', ['-c', '"$0" --input-type=module -e "$1" 7< <(echo from the pipe) 8<&7', process.execPath, script],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(text).toMatch(/^false (true|false)\nfrom the pipe\n (true|false)\n$/);
    // The second line says what it was and stayed.
    expect(/^false (\w+)\n/.exec(text)![1]).toBe('true');
  },
);

it('a descriptor that could not be taken over is the caller\'s still; one that another stream has is refused', () => {
  const io = create();
  const socket = io.udp();
  const { fd } = socket;
  expect(() => io.openPipe(fd, 'both')).toThrow(
    /^cannot take over descriptor \d+: EBUSY: .* already belongs to this thread's I\/O$/,
  );
  expect(() => io.openPipe(1_000_000, 'read')).toThrow(
    expect.objectContaining({ code: 'ERR_PERCORE_SYSTEM', errno: 'EBADF' }),
  );
  // Still the socket's: it has an address.
  expect(coreOf(io)!.native.sockets.cookie(fd)).toBeGreaterThan(0);
  io.close();
});
