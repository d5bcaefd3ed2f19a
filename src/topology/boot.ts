/**
 * A topology in a file: the lines of a boot script, one verb each, as JSON or as the default export of a module.
 *
 *     [
 *       { "verb": "reactor", "name": "book", "core": 0 },
 *       { "verb": "reactor", "name": "main", "sends": ["match"] },
 *       { "verb": "spawn", "name": "match", "on": "book", "module": "./match.js", "priority": 6 },
 *       { "verb": "send", "task": "match", "message": { "price": 101.5 } },
 *       { "verb": "sync" },
 *       { "verb": "list", "what": "task" }
 *     ]
 *
 * Lines that make something (`reactor`, `class`, `topic`, `ring`, `spawn`, `cursor`, `split`, `timer`, `io`) together
 * describe the topology, in whatever order they stand. The others (`send`, `sync`, `list`, `show`, `dump`, `join`,
 * `seq`) are asked in order when it has started. Source of the idea: `etc/init.boot` of the kernel o83/n2o.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PercoreError, checkOneOf, checkOptions, checkText, invalidArgument } from '../errors.js';
import { bootError, lineOfField, readLines, type BootLine } from './boot-lines.js';
import { FIELDS, type ControlVerb } from './messages.js';
import { CLASS_FIELDS, TOPIC_FIELDS, checkTopology, type Topology, type TopologyDeclaration } from './topology.js';

/** A verb that is asked when the topology has started. */
export interface BootStep {
  /** What is asked. */
  readonly verb: AskedLater;
  /** Who is asked: the name of a reactor, or 'main'. Undefined: everybody, except that `send` asks the main thread. */
  readonly on: string | undefined;
  /** Its fields, as in the file. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where the line stands: `boot.json:5`. */
  readonly where: string;
}
type AskedLater = 'send' | 'sync' | 'list' | 'show' | 'dump' | 'join' | 'seq';

/** A topology that was read from a boot script, with what is asked once it has started. */
export interface BootTopology extends Topology {
  /** What is asked once all is started, in its order. */
  readonly steps: readonly BootStep[];
}

type Section = 'reactors' | 'classes' | 'topics' | 'rings' | 'tasks' | 'cursors' | 'splits' | 'timers' | 'io';
const SECTION_OF: Readonly<Record<string, Section>> = {
  reactor: 'reactors', class: 'classes', topic: 'topics', ring: 'rings', spawn: 'tasks', cursor: 'cursors',
  split: 'splits', timer: 'timers', io: 'io',
};
const LATER: readonly AskedLater[] = ['send', 'sync', 'list', 'show', 'dump', 'join', 'seq'];
const BOOT_VERBS = [...Object.keys(SECTION_OF), ...LATER];
/** The fields of lines that differ from the fields of their verb's message. */
const BOOT_FIELDS: Readonly<Record<string, readonly string[]>> = {
  reactor: ['name', 'core', 'sends'],
  class: ['name', ...CLASS_FIELDS],
  topic: ['name', ...TOPIC_FIELDS.filter((field) => field !== 'carries')],
  spawn: [
    'name', 'on', 'module', 'export', 'class', 'priority', 'capacity', 'concurrency', 'takesBytes', 'process',
    'supervise', 'data', 'sends',
  ],
};

/**
 * Reads a boot script and checks it: a file of JSON, or a module whose default export is the same list. Paths of
 * modules are relative to the file. Rejects with ERR_PERCORE_TOPOLOGY: its message begins with file and line (for a
 * module, the place in the list), and its `argument` is the field. Rejects with ERR_PERCORE_INVALID_ARGUMENT if there
 * is no such file.
 */
export async function readTopology(file: string | URL): Promise<BootTopology> {
  const path = pathOf(file);
  const lines = path.endsWith('.json') ? readLines(path, await readText(path)) : await readModule(path);
  const parts: Record<Section | 'sends', Record<string, unknown>> = {
    reactors: {}, classes: {}, topics: {}, rings: {}, tasks: {}, cursors: {}, splits: {}, timers: {}, io: {}, sends: {},
  };
  const madeBy = new Map<string, BootLine>();
  const steps: BootStep[] = [];
  for (const line of lines) {
    atLine(path, line, () => {
      const { verb, ...fields } = checkObject(line.value);
      checkOneOf('verb', verb, BOOT_VERBS);
      const name = verb as string;
      const known = BOOT_FIELDS[name] ?? ['on', ...FIELDS[name as ControlVerb]];
      checkOptions(name, fields, known);
      const section = SECTION_OF[name];
      if (section === undefined) {
        steps.push(makeStep(name as AskedLater, fields, `${path}:${line.line}`));
      } else {
        addTo(parts, section, fields, name, dirname(path));
        madeBy.set(`${section}.${fields['name'] as string}`, line);
      }
    });
  }
  const declaration = parts as unknown as TopologyDeclaration;
  try {
    checkTopology(declaration);
  } catch (error) {
    const { argument = '' } = error as PercoreError;
    const [section, name] = argument.replace(/^sends\./, 'tasks.').split('.');
    const line = madeBy.get(`${section}.${name?.replace(/\[.*/, '')}`) ?? madeBy.get('reactors.main');
    throw located(path, line ?? { line: 1, text: '', value: undefined }, error);
  }
  return { declaration, steps };
}

function addTo(
  parts: Record<Section | 'sends', Record<string, unknown>>, section: Section, fields: Record<string, unknown>,
  verb: string, folder: string,
): void {
  const { name: given, sends, ...rest } = fields;
  const name = checkText(`${verb}.name`, given);
  // In an object it would be no name, and the line would be lost.
  if (name === '__proto__') throw invalidArgument(`${verb}.name`, name, 'another name');
  if (Object.hasOwn(parts[section], name)) {
    throw invalidArgument(`${verb}.name`, name, 'a name that no line before has given', 'ERR_PERCORE_NAME_TAKEN');
  }
  if (sends !== undefined) {
    if (!Array.isArray(sends)) throw invalidArgument(`${verb}.sends`, sends, 'a list of tasks');
    parts.sends[name] = sends;
  }
  if (section !== 'reactors') {
    const { module } = rest;
    const isRelative = typeof module === 'string' && /^\.{1,2}\//.test(module);
    parts[section][name] = isRelative ? { ...rest, module: pathToFileURL(resolve(folder, module)).href } : rest;
  } else if (name !== 'main') {
    if (sends !== undefined) throw invalidArgument('reactor.sends', sends, 'given only for main and for tasks');
    parts.reactors[name] = rest['core'];
  }
}

function makeStep(verb: AskedLater, { on, ...fields }: Record<string, unknown>, where: string): BootStep {
  return { verb, on: on === undefined ? undefined : checkText(`${verb}.on`, on), fields, where };
}

function checkObject(line: unknown): Record<string, unknown> {
  if (typeof line === 'object' && line !== null && !Array.isArray(line)) return line as Record<string, unknown>;
  throw invalidArgument('line', line, 'an object with a verb');
}

function atLine(path: string, line: BootLine, read: () => void): void {
  try {
    read();
  } catch (error) {
    throw located(path, line, error);
  }
}

function located(path: string, line: BootLine, error: unknown): PercoreError {
  const { message, argument = '', value } = error as PercoreError;
  const field = argument.startsWith('sends.') ? 'sends' : argument.split('.').at(-1)!.replace(/\[.*/, '');
  return bootError(path, lineOfField(line, field), message, { argument, value, cause: error });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT', `file ${path} cannot be read: ${(cause as Error).message}`,
      { argument: 'file', value: path, cause },
    );
  }
}

async function readModule(path: string): Promise<BootLine[]> {
  let list: unknown;
  try {
    ({ default: list } = await import(pathToFileURL(path).href) as { default?: unknown });
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_ARGUMENT', `file ${path} cannot be loaded: ${(cause as Error).message}`,
      { argument: 'file', value: path, cause },
    );
  }
  if (!Array.isArray(list)) throw bootError(path, 1, 'the default export of a boot script is a list of lines');
  return list.map((value: unknown, i) => ({ value, line: i + 1, text: '' }));
}

function pathOf(file: string | URL): string {
  if (typeof file === 'string' && file !== '') return file.startsWith('file:') ? fileURLToPath(file) : resolve(file);
  if (typeof file === 'object' && file !== null && 'href' in file) return fileURLToPath(String(file.href));
  throw invalidArgument('file', file, 'a path or a file URL');
}
