/**
 * A log pipeline: lines from standard input, parsed in one reactor, written by another into a file for each level. Each
 * stage is bounded, so a slow disk slows the reading down, and memory does not grow. SIGINT, SIGTERM and a file that
 * takes no more end the reading; what was read by then is written.
 *
 *     printf 'info up\nerror no disk\n' | node dist/examples/programs/log-pipeline.js /tmp/logs
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { lines } from 'percore/io';
import { BACK_PRESSURED, OK } from 'percore/queues';
/** Longer lines are left out, and counted. */
const MOST_LINE_BYTES = 32_768;
const LEVELS = ['debug', 'info', 'warn', 'error'];

type Line = { level: string; text: string };
interface Pipeline {
  calls: {
    /** Reads to the end, or until `stop`. `failure`: what has ended it instead. */
    read(): Promise<{ sent: number; tooLong: number; failure?: string | undefined }>;
    stop(): void;
    /** Lines written by level; `lost` were not taken by their file. `failure`: why the first of them failed. */
    finish(sent: number): Promise<{ written: Record<string, number>; lost: number; failure?: string | undefined }>;
  };
  tasks: { line: Line };
}

/** Reactor 0: reads and parses. */
function reader(reactor: Reactor<Pipeline>): void {
  const writer = reactor.address('line', { reactor: 1 });
  let isStopped = false;
  let stop = (): void => void (isStopped = true);
  reactor.handle('stop', () => stop());
  reactor.handle('read', () => new Promise((resolve, reject) => {
    let [sent, tooLong, hasEnded] = [0, 0, false];
    let failure: string | undefined;
    const waiting: Line[] = [];
    const input = reactor.io.stdin();
    const drain = (): void => {
      let code: number = OK;
      for (; waiting.length > 0 && (code = writer.send(waiting[0]!)) === OK; sent++) waiting.shift();
      if (code === BACK_PRESSURED) {
        // The writer's lane is full: no more is read until it has room.
        if (!hasEnded) input.pause();
        reactor.whenRoom({ reactor: 1 }, drain);
      } else if (code !== OK) reject(new Error(`the writer takes no lines any more (${code})`));
      else if (hasEnded) resolve({ sent, tooLong, failure });
      else input.resume();
    };
    const onEnd = (): void => {
      if (!hasEnded && (hasEnded = true) && waiting.length === 0) drain();
    };
    lines(input, { maxLineBytes: MOST_LINE_BYTES, onTooLong: () => void tooLong++, onEnd }, (line) => {
      const [, level = 'other', text = line] = /^(\w+) (.*)$/.exec(line) ?? [];
      waiting.push({ level: LEVELS.includes(level) ? level : 'other', text });
      if (waiting.length === 1) drain();
    });
    input.onClose((error) => ((failure = error?.message), onEnd()));
    stop = () => (onEnd(), input.close());
    if (isStopped) stop();
  }));
}

/** Reactor 1: writes a file for each level, made when its first line comes. */
function writer(reactor: Reactor<Pipeline>, folder: string): void {
  const files = new Map<string, { file: ReturnType<typeof open>; count: number }>();
  const whenSeen = new Map<number, () => void>();
  let [seen, lost] = [0, 0];
  let failure: string | undefined;
  const open = (level: string) =>
    reactor.io.openFile(join(folder, `${level}.log`), { flags: 'w' }).onClose((error) => {
      failure ??= error?.message;
      if (error !== undefined) void reactor.call('stop', undefined, { reactor: 0 });
    });
  reactor.spawn<Line>({ name: 'line' }, ({ level, text }) => {
    const entry = files.get(level) ?? { file: open(level), count: 0 };
    files.set(level, entry);
    const code = entry.file.offer(Buffer.from(`${text}\n`));
    if (code === BACK_PRESSURED) return code;
    // A file that has failed takes no more.
    if (code === OK) entry.count++;
    else lost++;
    whenSeen.get(++seen)?.();
    return OK;
  });
  // A call may come before lines that were sent earlier: they wait while a file has no room.
  reactor.handle('finish', async (sent) => {
    if (seen < sent) await new Promise<void>((resolve) => void whenSeen.set(sent, resolve));
    // What became of each is told by onClose.
    await Promise.allSettled([...files.values()].map(({ file }) => (file.end(), file.closed())));
    return { written: Object.fromEntries([...files].map(([level, { count }]) => [level, count])), lost, failure };
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
  // Whoever reads what is printed may leave: the files are written all the same.
  process.stdout.on('error', () => void (process.exitCode = 1));
  const asked = new Promise<void>((resolve) => ['SIGINT', 'SIGTERM'].forEach((signal) => process.on(signal, resolve)));
  await using runtime = await createRuntime<Pipeline>({ entry: new URL(import.meta.url), reactors: 2, data: folder });
  void asked.then(() => runtime.call('stop', undefined, { reactor: 0 }));
  const { sent, tooLong, failure: unread } = await runtime.call('read', undefined, { reactor: 0 });
  const { written, lost, failure } = await runtime.call('finish', sent, { reactor: 1, priority: 0 });
  console.log(sent, JSON.stringify(written));
  if (tooLong > 0) console.error(`${tooLong} lines of more than ${MOST_LINE_BYTES} bytes were left out`);
  if (unread !== undefined) console.error(`the input could not be read on: ${unread}`);
  if (failure !== undefined) console.error(`${failure}; ${lost} lines are lost, and what that file had not written`);
  if (unread !== undefined || failure !== undefined) process.exitCode = 1;
}
