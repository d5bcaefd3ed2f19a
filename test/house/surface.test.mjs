import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectExactly } from './known.mjs';
import { filesBelow, parse } from './sources.mjs';
import { allMembers, findings, readSurface, writeSurface } from './surface.mjs';

const MOST_MEMBERS_OF_REACTOR = 22;
const folder = join(dirname(fileURLToPath(import.meta.url)), 'surface');

describe('the public surface', () => {
  let surface;
  let found;
  beforeAll(() => {
    surface = readSurface();
    found = findings(surface);
  });

  it('is what is checked in: after a change that is meant, `npm run surface`', () => {
    const files = writeSurface(surface);
    expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
    for (const [name, text] of files) expect(text, name).toBe(readFileSync(join(folder, name), 'utf8'));
  });

  it('has all that its entries say', () => {
    for (const [entry, names] of surface.entries) {
      expect(names.size, entry).toBeGreaterThan(5);
      expect(
        [...names].filter(([, declaration]) => declaration === undefined).map(([name]) => name), entry,
      ).toEqual([]);
    }
  });

  it(`shows at most ${MOST_MEMBERS_OF_REACTOR} members of Reactor`, () => {
    const members = allMembers(surface.entries.get('percore').get('Reactor'), surface.parentsOf);
    members.delete('constructor');
    expectExactly('reactor-members', members.size > MOST_MEMBERS_OF_REACTOR ? [`${members.size}`] : []);
  });

  it('has a docstring for each class, function and method', () => expectExactly('undocumented', found.undocumented));

  it('shows nothing that is for others than users', () => expectExactly('inside', found.inside));

  it('has no `any` in its types', () => expectExactly('any', found.any));
});

it('no two exported types of src/ have one name', () => {
  const places = new Map();
  for (const file of filesBelow(
    'src', (name) => name.endsWith('.ts') && !/\.test\.ts$|\/fixtures\/|\.d\.ts$/.test(name),
  )) {
    for (const { type, declaration } of parse(file).body) {
      const isType =
        type === 'ExportNamedDeclaration'
        && ['ClassDeclaration', 'TSInterfaceDeclaration', 'TSTypeAliasDeclaration'].includes(declaration?.type);
      if (isType) places.set(declaration.id.name, [...(places.get(declaration.id.name) ?? []), file]);
    }
  }
  expect(places.size).toBeGreaterThan(100);
  expectExactly(
    'same-names',
    [...places]
      .filter(([, files]) => files.length > 1)
      .map(([name, files]) => `${name}: ${files.join(' ')}`)
      .sort(),
  );
});
