/** The tables of docs/guide/migrating/: what they say about Percore has the names of the public surface. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { partyFigures } from '../../dist/src/reactor/status.js';
import { root } from '../house/sources.mjs';

const surface = join(root, 'test', 'house', 'surface');
const listing = readdirSync(surface).filter((name) => name.startsWith('percore'))
  .map((name) => readFileSync(join(surface, name), 'utf8')).join('\n');
const exported = new Set(
  [...listing.matchAll(/^(?:class|const|function|interface|type) (\w+)/gm)].map(([, name]) => name),
);
const members = (text) => [...text.matchAll(/^ {4}(?:(?:readonly|get|set) )*(\w+)/gm)].map(([, name]) => name);
const blockOf = (pattern) => listing.match(new RegExp(`^(?:class|interface) ${pattern}\\b.*\\n(?: {4}.*\\n)*`, 'gm'));
/** The types of the figures of a status are made from a table. */
const anyMember = new Set([...members(listing), ...partyFigures.map(({ name }) => name)]);
/** Other tests hold this page complete. */
const errors = readFileSync(join(root, 'docs', 'guide', 'errors.md'), 'utf8');
/** What a variable of the pages holds: its members are those of these types. */
const RECEIVERS = { reactor: 'Reactor', runtime: 'Runtime', producer: '\\w*Producer', consumer: '\\w*Consumer' };
const VARIABLES = new Set(Object.keys(RECEIVERS));

/** Names of a span of code that the public surface does not have. */
function unknownIn(span) {
  const strings = [...span.matchAll(/'[^']*'/g)].map(([text]) => text).filter((text) => !listing.includes(text));
  const code = span.replaceAll(/'[^']*'/g, '');
  const isName = (name) => exported.has(name) || anyMember.has(name) || VARIABLES.has(name)
    || (name.startsWith('ERR_PERCORE_') && errors.includes(`\`${name}\``));
  const dotted = [...code.matchAll(/(\w+)\.(\w+)/g)].filter(([, of, name]) =>
    RECEIVERS[of] === undefined || !blockOf(RECEIVERS[of]).some((block) => members(block).includes(name)));
  const called = [...code.matchAll(/(?<![\w.])(\w+)\(/g)].map(([, name]) => name);
  const options = [...code.matchAll(/\{([^{}]*)\}/g)].flatMap(([, inside]) =>
    [...inside.matchAll(/(?:^|,)\s*(\w+)/g)].map(([, name]) => name));
  const alone = [...code.matchAll(/^(\w+)(?::.*)?$/g)].map(([, name]) => name);
  const names = [...called, ...options, ...alone];
  return [...strings, ...dotted.map(([text]) => text), ...names.filter((name) => !isName(name))];
}

const folder = join(root, 'docs', 'guide', 'migrating');
const spans = readdirSync(folder).flatMap((page) =>
  readFileSync(join(folder, page), 'utf8').split('\n').filter((line) => line.startsWith('| ')).slice(1)
    .flatMap((line) => [...line.split(' | ')[1].matchAll(/`([^`]+)`/g)].map(([, span]) => [page, span])));

it('knows a name that is not there', () => {
  const wrong = [
    'reactor.data', 'createRuntime({ dat })', 'creatRuntime()', 'entri', 'ERR_PERCORE_NO', "kind: 'spbc'", 'pool.run',
  ];
  expect(wrong.filter((span) => unknownIn(span).length === 0)).toEqual([]);
  expect(unknownIn('createRuntime({ entry, reactors })')).toEqual([]);
});

it('names in the right column of its tables what there is', () => {
  expect(spans.length).toBeGreaterThan(40);
  expect(spans.map(([page, span]) => [page, span, ...unknownIn(span)]).filter(([, , ...names]) => names.length > 0))
    .toEqual([]);
});
