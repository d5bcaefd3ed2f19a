import { once } from 'node:events';
import { connect as netConnect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { inside, remoteRuntime, sleep, until, within } from '../reactor/fixtures/inside.js';
import type { Runtime } from '../reactor/runtime.js';
import { TelnetFilter } from './console-telnet.js';

let runtime: Runtime;
const sockets = new Set<Socket>();

beforeAll(async () => {
  runtime = await remoteRuntime(1);
});
afterAll(() => runtime.close());
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await inside(runtime, 0, (reactor, _argument, { state }) => {
    state['console']?.close();
    for (const key of Object.keys(state)) delete state[key];
    reactor.io.closeAll();
  });
});

/** Opens a console with some commands in reactor 0 and returns its port. */
const open = (options: Record<string, unknown> = {}): Promise<number> =>
  inside(
    runtime,
    0,
    (reactor, given: Record<string, unknown>, { state, io, sleep: pause }) => {
      state['running'] = state['most'] = 0;
      const console = (state['console'] = io.createConsole(reactor.io, { port: 0, ...given }));
      console
        .command('echo', 'says it again', (words) => words.join(' '))
        .command('raw', 'the whole line', (_words, line) => JSON.stringify(line))
        .command('two', 'two lines', () => ['one', 'two'])
        .command('nothing', 'no answer', () => undefined)
        .command('fail', 'throws', () => {
          throw new Error('it broke');
        })
        .command('reject', 'rejects', () => Promise.reject(new Error('it broke later')))
        .command('big', 'many bytes', (words) => 'x'.repeat(Number(words[0])))
        .command('slow', 'takes its time', async (words) => {
          state['most'] = Math.max(state['most'], ++state['running']);
          await pause(20);
          state['running']--;
          return `slept ${words[0]}`;
        });
      return console.port;
    },
    options,
  );

async function client(
  port: number,
): Promise<{ socket: Socket; text: () => string; bytes: () => Buffer; closed: () => boolean }> {
  const socket = netConnect({ port, host: '127.0.0.1' });
  sockets.add(socket);
  const chunks: Buffer[] = [];
  let closed = false;
  socket
    .on('data', (chunk) => void chunks.push(chunk))
    .on('close', () => void (closed = true))
    .on('error', () => undefined);
  await within(5000, once(socket, 'connect'), 'connect');
  return {
    socket, bytes: () => Buffer.concat(chunks), text: () => Buffer.concat(chunks).toString(), closed: () => closed,
  };
}

describe('a console', () => {
  it('answers each line in order, also slow commands, one at a time', async () => {
    const { socket, text } = await client(await open());
    socket.write('slow a\r\necho b  c\r\nslow d\necho e\n\n  \nnothing\ntwo\n');
    const expected = 'slept a\r\nb c\r\nslept d\r\ne\r\none\r\ntwo\r\n';
    await until(() => text().length >= expected.length, 'all answers');
    expect(text()).toBe(expected);
    expect(await inside(runtime, 0, (_reactor, _argument, { state }) => state['most'])).toBe(1);
  });

  it('answers errors as text and goes on', async () => {
    const { socket, text } = await client(await open());
    socket.write('fail\nreject\nwhat now\necho still here\n');
    const expected =
      'error: it broke\r\nerror: it broke later\r\nerror: there is no command "what"; try help\r\nstill here\r\n';
    await until(() => text().length >= expected.length, 'the answers');
    expect(text()).toBe(expected);
  });

  it('helps, greets, prompts, and ends at quit without answering what follows', async () => {
    const { socket, text, closed } = await client(await open({ greeting: 'percore\nready', prompt: '> ' }));
    socket.write('help\nquit\necho too late\n');
    await until(closed, 'the end');
    expect(text()).toBe(
      [
        'percore', 'ready', '> big      many bytes', 'echo     says it again', 'fail     throws',
        'help     what can be asked here', 'nothing  no answer', 'quit     leave', 'raw      the whole line',
        'reject   rejects', 'slow     takes its time', 'two      two lines', '> ',
      ].join('\r\n'),
    );
    await until(
      async () =>
        (await inside(runtime, 0, (_reactor, _argument, { state }) => state['console'].sessionCount as number)) === 0,
      'the session is gone',
    );
  });

  it('answers what was sent before the peer ended, then closes', async () => {
    const { socket, text, closed } = await client(await open());
    socket.end('slow x\necho without an end');
    await until(closed, 'the end');
    expect(text()).toBe('slept x\r\nwithout an end\r\n');
  });

  it('takes telnet out of the line and refuses every option', async () => {
    const { socket, bytes } = await client(await open());
    // WILL 31, then a command that is split between two writes, a window size in a subnegotiation, DO 1, and returns as
    // telnet sends them.
    socket.write(Buffer.from([255, 251, 31, ...Buffer.from('ra'), 255]));
    await sleep(20);
    socket.write(
      Buffer.from([253, 1, ...Buffer.from('w é'), 255, 250, 31, 0, 80, 255, 255, 24, 255, 240, 255, 241, 13, 0]),
    );
    const expected = Buffer.from([255, 254, 31, 255, 252, 1, ...Buffer.from('"raw é"\r\n')]);
    await until(() => bytes().length >= expected.length, 'the answer');
    expect(bytes().toString('hex')).toBe(expected.toString('hex'));
  });

  it('says that a line is too long, and takes the next', async () => {
    const { socket, text } = await client(await open({ maxLineBytes: 20 }));
    socket.write(`echo ${'x'.repeat(5000)}\necho ok\n`);
    const expected = 'error: a line of 5005 bytes is longer than 20\r\nok\r\n';
    await until(() => text().length >= expected.length, 'the answers');
    expect(text()).toBe(expected);
  });

  it('waits for a client that reads slowly, and loses nothing', async () => {
    const { socket, text } = await client(await open());
    socket.pause();
    for (let i = 0; i < 40; i++) socket.write('big 500000\n');
    socket.write('echo done\n');
    await sleep(100);
    socket.resume();
    await until(() => text().endsWith('done\r\n'), 'the last answer', 20_000);
    expect(text()).toHaveLength(40 * 500_002 + 6);
  });

  it('turns a client away when it is full', async () => {
    const port = await open({ maxSessions: 2 });
    const first = await client(port);
    await client(port);
    const third = await client(port);
    await until(third.closed, 'closed');
    expect(third.text()).toBe('error: 2 sessions are open already\r\n');
    first.socket.write('quit\n');
    await until(first.closed, 'room');
    const fourth = await client(port);
    fourth.socket.write('echo in\n');
    await until(() => fourth.text() === 'in\r\n', 'the fourth is served');
  });

  it('closes its sessions and its port when it is closed', async () => {
    const port = await open();
    const { socket, text, closed } = await client(port);
    socket.write('echo a\n');
    await until(() => text() === 'a\r\n', 'the answer');
    await inside(runtime, 0, (_reactor, _argument, { state }) => state['console'].close());
    await until(closed, 'closed');
    expect(await inside(runtime, 0, (reactor) => reactor.io.status().endpoints)).toBe(0);
  });

  it('refuses wrong options', async () => {
    const messages = await inside(runtime, 0, (reactor, _argument, { io }) =>
      [{}, { port: 0, stdin: true }, { port: 0, maxSessions: 0 }, { port: -1 }].map((options) => {
        try {
          io.createConsole(reactor.io, options);
          return 'accepted';
        } catch (error) {
          return (error as Error).message;
        }
      }),
    );
    expect(messages).toEqual([
      'options must be an object with exactly one of port, path and stdin, not [object Object]',
      'options must be an object with exactly one of port, path and stdin, not [object Object]',
      'maxSessions must be a whole number from 1 to 1024, not 0', 'port must be a whole number from 0 to 65535, not -1',
    ]);
  });
});

describe('the telnet filter', () => {
  it('gives the same for every split of the same bytes', () => {
    const bytes = Uint8Array.from([
      104, 255, 255, 105, 255, 251, 3, 13, 0, 13, 10, 255, 250, 24, 255, 255, 0, 255, 240, 120, 255, 253, 24, 255, 252,
      5, 255, 246, 13, 13, 0, 255, 254, 9, 121,
    ]);
    const run = (pieces: Uint8Array[]): [string, string] => {
      const filter = new TelnetFilter();
      const typed: number[] = [], answered: number[] = [];
      for (const piece of pieces) typed.push(...filter.filter(piece, (answer) => void answered.push(...answer)));
      return [Buffer.from(typed).toString('hex'), Buffer.from(answered).toString('hex')];
    };
    const whole = run([bytes]);
    expect(whole).toEqual([
      Buffer.from([104, 255, 105, 13, 10, 13, 10, 120, 13, 13, 10, 121]).toString('hex'),
      Buffer.from([255, 254, 3, 255, 252, 24]).toString('hex'),
    ]);
    for (let a = 0; a <= bytes.length; a++)
      for (let b = a; b <= bytes.length; b++)
        expect(run([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]), `cut at ${a} and ${b}`).toEqual(
          whole,
        );
  });
});
