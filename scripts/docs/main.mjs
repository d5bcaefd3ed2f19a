// Builds the documentation site: the pages in docs/, and the API, which typedoc reads from the docstrings. Every file
// in docs/ becomes a page under the name of its first heading. A warning of typedoc, such as a link that leads nowhere,
// is an error.
//
//   node scripts/docs/main.mjs [FOLDER]       artifacts/site if left out
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { plotsInto } from './plots.mjs';
import * as typescript6 from './typescript6.mjs';

// Node 20 has no hooks of the same thread, and Node 26 warns of others.
if (nodeModule.registerHooks === undefined) nodeModule.register('./typescript6.mjs', import.meta.url);
else nodeModule.registerHooks(typescript6);
const { Application, Converter, ReflectionKind } = await import('typedoc');

const out = process.argv[2] ?? 'artifacts/site';
const root = new URL('../../', import.meta.url);
process.chdir(fileURLToPath(root));
const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));
/** The entries with types, by the names under which users import them. */
const entries = Object.entries(exports).filter(([, { types }]) => types !== undefined).map(([name, { types }]) => ({
  name: name.replace(/^\./, 'percore'),
  source: types.replace('./dist/', '').replace('.d.ts', '.ts'),
}));
/** The group of a page in the navigation, by the folder of its file. The first group that fits is taken. */
const GROUPS = [
  ['docs/guide/migrating/', 'Coming from another library'], ['docs/guide/', 'Guide'], ['docs/decisions/', 'Decisions'],
  ['docs/', 'About Percore'],
];
const groupOf = (file) => GROUPS.find(([folder]) => relative('.', file).startsWith(folder))[1];
/** Typedoc calls an entry by its folder. */
const nameOf = (folder) =>
  entries.find(({ source }) => [`src/${folder}.ts`, `src/${folder}/index.ts`].includes(source)).name;

const app = await Application.bootstrap({
  name: 'Percore',
  entryPoints: entries.map(({ source }) => source),
  projectDocuments: ['docs/guide/**/*.md', 'docs/!(plan).md', 'docs/decisions/*.md'],
  navigation: { includeGroups: true },
  groupOrder: ['Guide', 'Coming from another library', 'Modules', 'About Percore', 'Decisions', '*'],
  readme: 'README.md',
  customCss: 'scripts/docs/site.css',
  tsconfig: 'scripts/docs/tsconfig.json',
  skipErrorChecking: true,                          // the build checks types, with the compiler that builds
  includeHierarchySummary: false,
  highlightLanguages: ['typescript', 'javascript', 'json', 'sh', 'java', 'cpp', 'c', 'yaml', 'dockerfile', 'python',
    'html', 'ini', 'tsx'],
  excludePrivate: true,
  excludeInternal: true,
  disableGit: true,
  disableSources: true,
  sort: ['source-order'],
  // Types that only help to write down others are not exported and mean nothing to a reader. What must have a docstring
  // is checked below, since typedoc would also require one for each field of an object type.
  validation: { notExported: false, invalidLink: true, invalidPath: true, notDocumented: false },
});
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  for (const page of project.documents) page.frontmatter.group = groupOf(project.files.getReflectionPath(page));
});
app.converter.on(Converter.EVENT_END, ({ project }) => {
  for (const module of project.children) {
    module.name = nameOf(module.name);
    // Members of a type stay as they were written; what a module exports is looked up by name.
    for (const group of module.groups) group.children.sort((a, b) => a.name.localeCompare(b.name, 'en'));
  }
  for (const page of project.documents) {
    const text = page.content.map((part) => part.text).join('');
    page.name = /^# (.*)$/m.exec(text)?.[1] ?? page.name;
    if (page.name === 'Figures') page.content = plotsInto(page.content);
  }
});
const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
const { Class, Function: AFunction, Variable } = ReflectionKind;
for (const each of project.getReflectionsByKind(Class | AFunction | Variable))
  if (![each, ...(each.signatures ?? [])].some((part) => part.hasComment()))
    app.logger.warn(`${each.getFriendlyFullName()} is exported and has no docstring`);
// The comment at the head of a file belongs to the first thing that the file exports, unless it has `@module`.
const owners = new Map();
for (const each of project.getReflectionsByKind(Class | AFunction | Variable)) {
  for (const { comment } of [each, ...(each.signatures ?? [])]) {
    const text = comment?.summary.map((part) => part.text).join('') ?? '';
    const owner = owners.get(text) ?? each;
    owners.set(text, owner);
    if (text !== '' && owner.name !== each.name)
      app.logger.warn(`${owner.getFriendlyFullName()} and ${each.getFriendlyFullName()} have the same docstring`);
  }
}
for (const module of project.children)
  if (!module.hasComment()) app.logger.warn(`${module.name} has no docstring: the head of its file needs @module`);
await app.generateDocs(project, out);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
