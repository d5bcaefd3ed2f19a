/**
 * A log pipeline: lines from standard input, parsed in one reactor, written by another into a file for each level. Each
 * stage is bounded, so a slow disk slows the reading down, and memory does not grow.
 *
 *     printf 'info up\nerror no disk\n' | node dist/examples/programs/log-pipeline.js /tmp/logs
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { lines } from 'percore/io';

interface Pipeline {
  calls: { read(): Promise<number>; finish(lines: number): Promise<Record<string, number>> };
  tasks: { line: { level: string; text: string } };
}

const LEVELS = ['debug', 'info', 'warn', 'error'];

/** Reactor 0: reads and parses. */
function reader(reactor: Reactor<Pipeline>): void {
  const writer = reactor.address('line', { reactor: 1 });
  reactor.handle('read', () => new Promise<number>((resolve) => {
    let count = 0;
    const waiting: { level: string; text: string }[] = [];
    let hasEnded = false;
    const input = reactor.io.stdin();
    const drain = (): void => {
      while (waiting.length > 0 && writer.send(waiting[0]!) === 0) waiting.shift();
      if (waiting.length > 0) {
        // The writer's lane is full: no more is read until it has room.
        input.pause();
        reactor.whenRoom({ reactor: 1 }, drain);
      } else if (hasEnded) resolve(count);
      else input.resume();
    };
    const onEnd = (): void => {
      hasEnded = true;
      drain();
    };
    lines(input, { onEnd }, (line) => {
      count++;
      const [, level = 'other', text = line] = /^(\w+) (.*)$/.exec(line) ?? [];
      waiting.push({ level: LEVELS.includes(level) ? level : 'other', text });
      if (waiting.length === 1) drain();
    });
  }));
}

/** Reactor 1: writes a file for each level, made when its first line comes. */
function writer(reactor: Reactor<Pipeline>, folder: string): void {
  const files = new Map<string, { file: ReturnType<typeof open>; count: number }>();
  const open = (level: string) => reactor.io.openFile(join(folder, `${level}.log`), { flags: 'w' });
  let written = 0;
  const whenWritten = new Map<number, () => void>();
  reactor.spawn<{ level: string; text: string }>({ name: 'line' }, ({ level, text }) => {
    const entry = files.get(level) ?? { file: open(level), count: 0 };
    files.set(level, entry);
    const code = entry.file.offer(Buffer.from(`${text}\n`));
    if (code < 0) return code;
    entry.count++;
    whenWritten.get(++written)?.();
    return 0;
  });
  // A call may come before lines that were sent earlier: they wait while a file has no room.
  reactor.handle('finish', async (count) => {
    if (written < count) await new Promise<void>((resolve) => void whenWritten.set(count, resolve));
    await Promise.all([...files.values()].map(({ file }) => (file.end(), file.closed())));
    return Object.fromEntries([...files].map(([level, { count }]) => [level, count]));
  });
}

export default function start(reactor: Reactor<Pipeline>, folder: string): void {
  if (reactor.id === 0) reader(reactor);
  else writer(reactor, folder);
}

if (isMainThread) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('name the folder for the files');
  mkdirSync(folder, { recursive: true });
  await using runtime = await createRuntime<Pipeline>({ entry: new URL(import.meta.url), reactors: 2, data: folder });
  const count = await runtime.call('read', undefined, { reactor: 0 });
  console.log(count, JSON.stringify(await runtime.call('finish', count, { reactor: 1, priority: 0 })));
}
