/**
 * The import graph of `src/`, of values and of types, and what in it breaks the rules:
 *
 *     src/index.ts -> topology, balance -> tasks, bus, services, offload, streams -> reactor -> io -> queues, timers
 *     -> scheduling, observe, realtime -> native and the files of src/ itself
 *     nats -> all of these
 *     testing -> simulator -> all of these
 *
 * An arrow goes down, never up nor sideways; it ends at a door of the other room (`index.ts`, `internal.ts`); and no
 * file imports itself by way of others. Tests and fixtures may import what they like, and nothing imports them.
 */
import { filesBelow, importsOf, resolveImport } from './sources.mjs';

/**
 * How high each room stands. The files of `src/` itself are the lowest room, but for its door, which is the highest.
 */
const LEVELS = {
  base: 0, native: 0, portable: 0, scheduling: 1, observe: 1, realtime: 1, queues: 2, timers: 2, io: 3,
  reactor: 4, tasks: 5, bus: 5, services: 5, offload: 5, streams: 5, levels: 5, monitor: 5, trace: 5,
  topology: 6, balance: 6, simulator: 7, cli: 7, nats: 7, testing: 8, door: 9,
};
const DOORS = /\/(?:index|internal)\.ts$/;
const IS_OF_TESTS = /\.test\.ts$|\/fixtures\//;

/** What each product file of `src/` imports of the others. */
export function readGraph() {
  const files = filesBelow('src', (name) => name.endsWith('.ts') && !IS_OF_TESTS.test(name));
  return new Map(files.map((file) => [file, importsOf(file)
    .filter((specifier) => specifier.startsWith('.')).map((specifier) => resolveImport(file, specifier, '.ts'))
    // A declaration file stands for a module without types.
    .filter((target) => target.startsWith('src/') && !target.endsWith('.d.ts'))]));
}

function roomOf(file) {
  const [, first, ...rest] = file.split('/');
  return rest.length > 0 ? first : first === 'index.ts' ? 'door' : 'base';
}

/** One line for each thing that is wrong, sorted. */
export function violationsOf(graph) {
  const found = [];
  for (const [file, targets] of graph) {
    const room = roomOf(file);
    if (LEVELS[room] === undefined) found.push(`no level: ${room}`);
    for (const target of targets) {
      const other = roomOf(target);
      if (IS_OF_TESTS.test(target)) found.push(`of tests: ${file} -> ${target}`);
      else if (!graph.has(target)) found.push(`missing: ${file} -> ${target}`);
      else if (other !== room) {
        if (LEVELS[other] > LEVELS[room] || (LEVELS[other] === LEVELS[room] && LEVELS[room] !== 0))
          found.push(`climbs: ${file} -> ${target}`);
        else if (other !== 'base' && !DOORS.test(target)) found.push(`past a door: ${file} -> ${target}`);
      }
    }
  }
  for (const circle of circlesOf(graph)) found.push(`circle: ${circle.join(' ')}`);
  return [...new Set(found)].sort();
}

/** The sets of files of which each leads to each other: Tarjan's strongly connected components. */
export function circlesOf(graph) {
  const circles = [];
  const order = new Map();
  const low = new Map();
  const path = [];
  const visit = (file) => {
    order.set(file, order.size);
    low.set(file, order.get(file));
    path.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!order.has(target)) visit(target);
      if (path.includes(target)) low.set(file, Math.min(low.get(file), low.get(target)));
    }
    if (low.get(file) !== order.get(file)) return;
    const circle = path.splice(path.indexOf(file));
    if (circle.length > 1 || graph.get(file)?.includes(file)) circles.push(circle.sort());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}
