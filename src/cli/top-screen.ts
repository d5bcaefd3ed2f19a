/**
 * The screen of `percore top`: it follows a page, takes keys, and gives the terminal back as it was, however it ends. A
 * frame is one write, and has the size of the screen, so nothing flickers and nothing scrolls.
 */
import { emitKeypressEvents, type Key } from 'node:readline';
import ansiEscapes from 'ansi-escapes';
import { isBusy, readPage, type PageSnapshot } from '../monitor/internal.js';
import { DONE } from './command.js';
import { frameOf, type View } from './top-frame.js';
import { TABLES, TABLE_NAMES } from './top-tables.js';

const EVERY_MS = 1000;
const MOST_FILTER = 60;

/** Follows until the user ends it. Promises the exit code. */
export function follow(
  path: string, { table, sort, filter }: Pick<View, 'table' | 'sort' | 'filter'>,
): Promise<number> {
  const { stdin, stdout } = process;
  const view: View = {
    table, sort, filter, isTyping: false, isPaused: false, from: 0,
    hasColour: process.env['NO_COLOR'] === undefined && stdout.getColorDepth() > 1,
  };
  let now: PageSnapshot = readPage(path);
  let before: PageSnapshot | undefined;
  let hasEnded = false;
  let isOn = false;

  const draw = (): void => {
    if (!isOn) return;
    const size = { columns: stdout.columns ?? 80, rows: (stdout.rows ?? 24) - 1 };
    // Each line is already cut to the screen, so nothing has to measure it: that would cost a tenth of a core.
    const lines = frameOf(now, before, view, size, hasEnded).split('\n');
    stdout.write(ansiEscapes.cursorTo(0, 0) + lines.map((line) => ansiEscapes.eraseEndLine + line).join('\n'));
  };
  const look = (): void => {
    if (view.isPaused || hasEnded) return;
    try {
      const next = readPage(path);
      if (next.publishedNs > now.publishedNs) [before, now] = [now, next];
      hasEnded = next.isClosed;
    } catch (error) {
      // Its process has ended, unless it only writes; what it last showed stays on the screen.
      hasEnded = !isBusy(error);
    }
    draw();
  };
  const redraw = (): void => {
    if (!isOn) return;
    stdout.write(ansiEscapes.clearViewport + ansiEscapes.cursorTo(0, 0));
    draw();
  };
  const enter = (): void => {
    if (isOn) return;
    isOn = true;
    stdin.setRawMode(true);
    stdin.resume();
    stdout.write(ansiEscapes.enterAlternativeScreen + ansiEscapes.cursorHide);
    redraw();
  };
  const leave = (): void => {
    if (!isOn) return;
    isOn = false;
    try {
      stdin.setRawMode(false);
      stdout.write(ansiEscapes.cursorShow + ansiEscapes.exitAlternativeScreen);
    } catch {
      // The terminal has gone.
    }
  };
  const suspend = (): void => {
    leave();
    process.kill(process.pid, 'SIGSTOP');
  };

  return new Promise((resolve) => {
    const timer = setInterval(look, EVERY_MS);
    const end = (): void => {
      clearInterval(timer);
      leave();
      stdin.off('keypress', onKey).pause();
      stdout.off('resize', redraw);
      process.off('exit', leave).off('SIGTSTP', suspend).off('SIGCONT', enter);
      for (const signal of ENDS) process.off(signal, onEnd);
      resolve(DONE);
    };
    const onEnd = (signal: NodeJS.Signals): void => {
      end();
      // End as it would have ended without this handler: the parent process sees which signal it was.
      process.kill(process.pid, signal);
    };
    const onKey = (text: string | undefined, key: Key): void => {
      if (key.ctrl === true && key.name === 'c') end();
      else if (key.ctrl === true && key.name === 'z') suspend();
      else if (view.isTyping) type(view, text, key);
      else if (key.name === 'q') end();
      else choose(view, text, key, stdout.rows ?? 24);
      draw();
    };
    emitKeypressEvents(stdin);
    stdin.on('keypress', onKey);
    stdout.on('resize', redraw);
    process.on('exit', leave).on('SIGTSTP', suspend).on('SIGCONT', enter);
    for (const signal of ENDS) process.on(signal, onEnd);
    enter();
  });
}

const ENDS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

function type(view: View, text: string | undefined, { name, ctrl }: Key): void {
  if (name === 'return' || name === 'enter') view.isTyping = false;
  else if (name === 'escape') [view.isTyping, view.filter] = [false, ''];
  else if (name === 'backspace') view.filter = view.filter.slice(0, -1);
  else if (ctrl !== true && text !== undefined && text >= ' ') view.filter = (view.filter + text).slice(0, MOST_FILTER);
}

function choose(view: View, text: string | undefined, { name, shift }: Key, rows: number): void {
  if (name === 's') view.sort = after(TABLES[view.table].sorts, view.sort, 1);
  else if (name === 'tab') {
    view.table = after(TABLE_NAMES, view.table, shift === true ? -1 : 1);
    [view.sort] = TABLES[view.table].sorts as readonly [string];
    view.from = 0;
  }
  else if (text === '/') view.isTyping = true;
  else if (name === 'p' || name === 'space') view.isPaused = !view.isPaused;
  else if (name === 'escape') view.filter = '';
  else if (name === 'down') view.from++;
  else if (name === 'up') view.from--;
  else if (name === 'pagedown') view.from += rows >> 1;
  else if (name === 'pageup') view.from -= rows >> 1;
  view.from = Math.max(0, view.from);
}

const after = <T>(all: readonly T[], now: T, by: number): T => all[(all.indexOf(now) + by + all.length) % all.length]!;
