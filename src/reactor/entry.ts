/** A runtime's entry: the main thread checks it before anything is opened, and each reactor's thread imports it. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, workerData } from 'node:worker_threads';
import { invalidArgument, PercoreError } from '../errors.js';
import { fileUrlOf } from '../file-url.js';

/** Throws unless this is a file that can be an entry; returns its URL. */
export function checkEntry(entry: unknown): string {
  const url = fileUrlOf(entry);
  const isUrl = typeof entry === 'object' && entry !== null && 'href' in entry;
  if (url === undefined) {
    throw invalidArgument(
      'entry',
      isUrl ? entry.href : entry,
      "a file URL such as new URL('./reactor.js', import.meta.url), or an absolute path",
    );
  }
  const path = pathOf(url);
  if (!existsSync(path)) {
    const hasSource = path.endsWith('.js') && existsSync(`${path.slice(0, -3)}.ts`);
    const hint = hasSource ? '; there is a .ts file of that name: compile it first' : '';
    throw new PercoreError(
      'ERR_PERCORE_ENTRY', `entry ${path} does not exist${hint}`, { argument: 'entry', value: path },
    );
  }
  if (/\.[cm]?ts$/.test(path) && !stripsTypes() && !usesTsx()) {
    throw new PercoreError(
      'ERR_PERCORE_ENTRY',
      `entry ${path} is TypeScript, which Node ${process.version} does not load: compile it and name the .js `
        + 'file, or start node with --import tsx',
      { argument: 'entry', value: path },
    );
  }
  checkNotOwn(path);
  return url.href;
}

/**
 * A program that is its own entry also runs in each of its reactors. Without a guard each of them would start a
 * runtime, whose reactors would do the same, until the machine has no threads left.
 */
function checkNotOwn(path: string): void {
  const { shared, reports, entry } = (isMainThread ? {} : workerData ?? {}) as {
    shared?: unknown; reports?: unknown; entry?: unknown,
  };
  if (shared === undefined || reports === undefined || typeof entry !== 'string' || fileURLToPath(entry) !== path) {
    return;
  }
  throw new PercoreError(
    'ERR_PERCORE_ENTRY',
    `createRuntime was called in a reactor whose entry is this same file, ${path}: each reactor would start a `
      + 'runtime of its own, without end. An entry runs in every reactor from its first line on: put what only the '
      + 'program itself may do behind "if (isMainThread)" of node:worker_threads, or the entry into a file of its own',
    { argument: 'entry', value: path },
  );
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT',
      `entry must be the URL of a file of this machine, not ${url.href}: ${(cause as Error).message}`,
      { argument: 'entry', value: url.href, cause },
    );
  }
}

/** Whether this Node loads TypeScript by itself. */
function stripsTypes(): boolean {
  const { typescript } = process.features as { typescript?: unknown };
  return typescript !== undefined && typescript !== false;
}

/** Whether the program was started with tsx, by an argument or by NODE_OPTIONS. */
function usesTsx(): boolean {
  return [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((argument) => /\btsx\b/.test(argument));
}

/** What an entry gets as its third argument, besides its reactor and the runtime's `data`. */
export interface EntryContext {
  /**
   * How many threads of this reactor have died: 0 the first time, also where another reactor was taken away from its
   * place before; above 0 when it is started again.
   */
  readonly generation: number;
}

type Entry = (reactor: unknown, data: unknown, context: EntryContext) => unknown;

/** Imports the entry in a reactor's thread. */
export async function importEntry(entry: string): Promise<{ default?: unknown }> {
  // On a Node that does not load TypeScript by itself, tsx joins only the main thread: a worker has to ask for it.
  if (!stripsTypes() && usesTsx()) await registerTsx(entry);
  return import(entry) as Promise<{ default?: unknown }>;
}

/** The default export. If a module was compiled to CommonJS, `import` gives all its exports as the default one. */
export function entryOf(module: { default?: unknown }, entry: string): Entry {
  const { default: exported } = module;
  const start = typeof exported === 'function' ? exported : (exported as { default?: unknown } | undefined)?.default;
  if (typeof start === 'function') return start as Entry;
  throw new PercoreError(
    'ERR_PERCORE_ENTRY',
    `${entry} has no default export that is a function; write "export default function start(reactor) { … }"`,
    { argument: 'entry', value: entry },
  );
}

async function registerTsx(entry: string): Promise<void> {
  const loaders = process.execArgv.filter((argument) => argument.startsWith('file:') && /\btsx\b/.test(argument));
  for (const from of [entry, ...loaders, pathToFileURL(resolve('percore.js')).href]) {
    try {
      const path = createRequire(from).resolve('tsx/package.json');
      const { exports } = JSON.parse(readFileSync(path, 'utf8')) as {
        exports: Record<string, { import: { default: string } }>,
      };
      const api = pathToFileURL(join(dirname(path), exports['./esm/api']!.import.default));
      const { register } = await import(api.href) as { register(): void };
      return register();
    } catch {
      // It cannot be found from here, or is of another make: the import below says what cannot be loaded.
    }
  }
}
