/**
 * The public surface, read from the declaration files that users get: for each entry of package.json what it exports,
 * with the members that can be seen, and the types that can be reached from these without being exported anywhere.
 *
 * `npm run surface` writes it to test/house/surface/, which is checked in, so that a change of it is seen in a review.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { parseSync } from 'oxc-parser';
import { resolveImport, root, walk } from './sources.mjs';

/** A name that several entries export is written down in the first of these. */
const ORDER = [
  'percore/queues', 'percore/timers', 'percore/io', 'percore/realtime', 'percore/testing', 'percore/worker', 'percore',
  'percore/nats',
];
/** Members that everybody knows. */
const WELL_KNOWN = /^(?:constructor|\[Symbol\.(?:dispose|asyncDispose|asyncIterator|iterator)\])$/;
const MEMBERS = new Set([
  'MethodDefinition', 'PropertyDefinition', 'AccessorProperty', 'TSAbstractMethodDefinition',
  'TSAbstractPropertyDefinition', 'TSMethodSignature', 'TSPropertySignature', 'TSCallSignatureDeclaration',
  'TSConstructSignatureDeclaration', 'TSIndexSignature',
]);
const KINDS = {
  ClassDeclaration: 'class', TSInterfaceDeclaration: 'interface', TSTypeAliasDeclaration: 'type',
  FunctionDeclaration: 'function', TSDeclareFunction: 'function', VariableDeclaration: 'const',
  TSEnumDeclaration: 'enum',
};

/**
 * A declaration: its `file`, `name`, `kind`, the `texts` of its head (one for each overload), `doc`, its public
 * `members` by name ({ name, texts, doc, isMethod, hasAny }), and `uses`, the names of its file that its public part
 * mentions.
 */
class Module {
  constructor(file) {
    this.file = file;
    this.source = readFileSync(join(root, file), 'utf8');
    const { program, comments, errors } = parseSync(file, this.source);
    if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
    this.comments = comments;
    this.declarations = new Map();
    this.imports = new Map();
    this.exports = new Map();
    this.stars = [];
    for (const node of program.body) this.read(node);
  }

  read(node) {
    const from = node.source === undefined || node.source === null ? undefined : this.target(node.source.value);
    if (node.type === 'ImportDeclaration') {
      for (const { local, imported } of node.specifiers)
        this.imports.set(local.name, { file: from, name: imported?.name });
    } else if (node.type === 'ExportAllDeclaration') {
      this.stars.push(from);
    } else if (node.type === 'ExportNamedDeclaration' && node.declaration === null) {
      for (const { local, exported } of node.specifiers)
        this.exports.set(exported.name, node.source === null ? { name: local.name } : { file: from, name: local.name });
    } else {
      const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node;
      const names = this.declare(declaration, this.docBefore(node.start));
      if (declaration !== node) for (const name of names) this.exports.set(name, { name });
    }
  }

  target(specifier) {
    return specifier.startsWith('.') ? resolveImport(this.file, specifier, '.d.ts') : undefined;
  }

  declare(node, doc) {
    const kind = KINDS[node.type];
    if (kind === undefined) return [];
    if (kind === 'const') {
      return node.declarations.map((one) => {
        this.add({ name: one.id.name, kind, text: this.textOf(one), doc, node: one, members: [] });
        return one.id.name;
      });
    }
    const members =
      node.body?.type === 'ClassBody' || node.body?.type === 'TSInterfaceBody'
        ? node.body.body.filter((member) => this.isPublic(member))
        : [];
    const text =
      members.length > 0 || kind === 'class' || kind === 'interface'
        ? this.textOf({ start: node.start, end: node.body.start })
        : this.textOf(node);
    this.add({
      name: node.id.name, kind,
      text: text.replace(/^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|enum) /, ''), doc,
      node, members,
    });
    return [node.id.name];
  }

  add({ name, kind, text, doc, node, members }) {
    const isNew = !this.declarations.has(name);
    if (isNew)
      this.declarations.set(name, {
        file: this.file, name, kind, texts: [], doc, members: new Map(), uses: new Set(), parents: [], hasAny: false,
      });
    const made = this.declarations.get(name);
    made.texts.push(text);
    made.doc ??= doc;
    for (const member of members) this.addMember(made, member);
    for (const parent of [
      node.superClass, ...(node.implements ?? []), ...(Array.isArray(node.extends) ? node.extends : []),
    ]) {
      const identifier = parent?.expression ?? parent;
      if (identifier?.type === 'Identifier') made.parents.push(identifier.name);
    }
    walk(node, (each) => {
      if (MEMBERS.has(each.type) && !this.isPublic(each)) return false;
      const named =
        each.type === 'TSTypeReference'
          ? each.typeName
          : each.type === 'TSTypeQuery'
            ? each.exprName
            : (each.expression ?? each.superClass);
      if (each.type === 'TSAnyKeyword' && members.length === 0) made.hasAny = true;
      if (each.type === 'TSImportType' && each.qualifier?.type === 'Identifier') {
        // The compiler writes these for types that it has inferred.
        const name = this.textOf(each);
        this.imports.set(name, { file: this.target(each.source.value), name: each.qualifier.name });
        made.uses.add(name);
      }
      if (named?.type === 'Identifier') made.uses.add(named.name);
      return true;
    });
  }

  addMember(declaration, node) {
    const key = node.key === undefined ? `(${node.type})` : this.source.slice(node.key.start, node.key.end);
    const name = node.computed ? `[${key}]` : key;
    if (!declaration.members.has(name))
      declaration.members.set(name, { name, texts: [], doc: undefined, isMethod: false, hasAny: false });
    const member = declaration.members.get(name);
    member.texts.push(this.textOf(node).replace(/;$/, ''));
    member.doc ??= this.docBefore(node.start);
    member.isMethod ||= node.type.includes('Method') && node.kind !== 'get' && node.kind !== 'set';
    walk(node, ({ type }) => void (type === 'TSAnyKeyword' && (member.hasAny = true)));
  }

  isPublic(node) {
    return (
      node.accessibility !== 'private' && node.accessibility !== 'protected' && node.key?.type !== 'PrivateIdentifier'
      && !this.isDoor(node)
    );
  }

  /** A member under a key that no entry exports (src/queues/doors.ts): who has the object cannot name it. */
  isDoor({ computed, key }) {
    return computed === true && !this.source.slice(key.start, key.end).startsWith('Symbol.');
  }

  /** The text of a node in one line, without the comments in it. */
  textOf({ start, end }) {
    let text = '';
    let at = start;
    for (const comment of this.comments.filter((each) => each.start >= start && each.end <= end)) {
      text += this.source.slice(at, comment.start);
      at = comment.end;
    }
    return (text + this.source.slice(at, end)).replace(/\s+/g, ' ').trim();
  }

  docBefore(start) {
    const comment = this.comments.findLast(({ end }) => end <= start);
    if (comment === undefined || comment.type !== 'Block' || !comment.value.startsWith('*')) return undefined;
    return this.source.slice(comment.end, start).trim() === ''
      ? comment.value
          .replace(/^\s*\* ?/gm, '')
          .replace(/\s+/g, ' ')
          .trim()
      : undefined;
  }
}

/**
 * The whole surface: `entries` from their names to exported names to declarations, and `reached`, what is not exported
 * anywhere.
 */
export function readSurface() {
  const modules = new Map();
  const module = (file) => {
    if (!modules.has(file)) modules.set(file, existsSync(join(root, file)) ? new Module(file) : undefined);
    return modules.get(file);
  };
  const resolve = (file, name) => {
    const own = module(file);
    if (own === undefined) return undefined;
    if (own.declarations.has(name)) return own.declarations.get(name);
    const imported = own.imports.get(name);
    return imported?.file === undefined ? undefined : resolveExport(imported.file, imported.name);
  };
  const resolveExport = (file, name) => {
    const own = module(file);
    const exported = own?.exports.get(name);
    if (exported !== undefined)
      return exported.file === undefined ? resolve(file, exported.name) : resolveExport(exported.file, exported.name);
    for (const star of own?.stars ?? []) {
      const found = star === undefined ? undefined : resolveExport(star, name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const namesOf = (file) => {
    const own = module(file);
    return own === undefined
      ? []
      : [...own.exports.keys(), ...own.stars.flatMap((star) => (star === undefined ? [] : namesOf(star)))];
  };

  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = new Map();
  for (const name of ORDER) {
    const types = manifest.exports[name.replace('percore', '.')]?.types;
    if (types === undefined) continue;
    const file = normalize(types);
    entries.set(
      name, new Map([...new Set(namesOf(file))].sort().map((exported) => [exported, resolveExport(file, exported)])),
    );
  }
  const exported = new Set([...entries.values()].flatMap((names) => [...names.values()]));
  const reached = new Set();
  const pending = [...exported];
  for (const declaration of pending) {
    if (declaration === undefined) continue;
    for (const name of declaration.uses) {
      const used = resolve(declaration.file, name);
      if (used === undefined || exported.has(used) || reached.has(used)) continue;
      reached.add(used);
      pending.push(used);
    }
  }
  const parentsOf = (declaration) =>
    declaration.parents.map((name) => resolve(declaration.file, name)).filter((parent) => parent !== undefined);
  return { entries, reached: [...reached].sort(byName), parentsOf };
}

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.file < b.file ? -1 : 1);

/** The public members of a declaration, those of its parents included. */
export function allMembers(declaration, parentsOf) {
  const members = new Map(parentsOf(declaration).flatMap((parent) => [...allMembers(parent, parentsOf)]));
  for (const [name, member] of declaration.members) members.set(name, member);
  return members;
}

function write(declaration, as = declaration.name) {
  const heads = declaration.texts.map(
    (text) => `${declaration.kind} ${as === declaration.name ? text : `${as} = ${text}`}`,
  );
  if (declaration.kind !== 'class' && declaration.kind !== 'interface') return heads.join('\n');
  const members = [...declaration.members.values()]
    .sort(byName)
    .flatMap(({ texts }) => texts.map((text) => `    ${text}`));
  return [[...new Set(heads)].join('\n'), ...members].join('\n');
}

/** The files of the listing: from their names to what they hold. */
export function writeSurface({ entries, reached }) {
  const files = new Map();
  const written = new Map();
  for (const [entry, names] of entries) {
    const parts = [...names].map(([name, declaration]) => {
      if (declaration === undefined) return `${name}: not found`;
      const elsewhere = written.get(declaration);
      written.set(declaration, entry);
      return elsewhere === undefined ? write(declaration, name) : `${declaration.kind} ${name}: see ${elsewhere}`;
    });
    files.set(
      `${entry.replace('/', '-')}.txt`, `What ${entry} exports. Generated: npm run surface\n\n${parts.join('\n\n')}\n`,
    );
  }
  const parts = reached.map(
    (declaration) => `${declaration.file.replace(/^dist\//, '').replace(/\.d\.ts$/, '.ts')}\n${write(declaration)}`,
  );
  files.set(
    'reached.txt',
    `Types that can be reached from what is exported, and are not exported themselves. Generated: npm run `
      + `surface\n\n${parts.join('\n\n')}\n`,
  );
  return files;
}

/** What each of the given rules finds wrong: one line for each finding. */
export function findings({ entries, reached, parentsOf }) {
  const seen = new Map();
  for (const [entry, names] of entries)
    for (const declaration of names.values())
      if (declaration !== undefined && !seen.has(declaration)) seen.set(declaration, entry);
  for (const declaration of reached)
    seen.set(declaration, declaration.file.replace(/^dist\//, '').replace(/\.d\.ts$/, '.ts'));
  const isDocumented = (declaration, name) => {
    const doc = declaration.members.get(name)?.doc;
    return doc !== undefined || parentsOf(declaration).some((parent) => isDocumented(parent, name));
  };
  const found = { undocumented: [], inside: [], any: [] };
  for (const [declaration, where] of seen) {
    const { kind, name, doc, members, hasAny } = declaration;
    const isExported = !reached.includes(declaration);
    if (isExported && (kind === 'class' || kind === 'function') && doc === undefined)
      found.undocumented.push(`${where}: ${kind} ${name}`);
    if (hasAny) found.any.push(`${where}: ${name}`);
    if (isForOthersAlone(doc)) found.inside.push(`${where}: ${name}`);
    for (const member of members.values()) {
      if (isExported && member.isMethod && !WELL_KNOWN.test(member.name) && !isDocumented(declaration, member.name))
        found.undocumented.push(`${where}: ${name}.${member.name}`);
      if (member.hasAny) found.any.push(`${where}: ${name}.${member.name}`);
      if (isForOthersAlone(member.doc)) found.inside.push(`${where}: ${name}.${member.name}`);
    }
  }
  for (const lines of Object.values(found)) lines.sort();
  return found;
}

const isForOthersAlone = (doc) => doc !== undefined && /\bFor (?!example)[\w ,.`'’-]+ alone\b/.test(doc);
