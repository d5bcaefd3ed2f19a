// Makes THIRD-PARTY-NOTICES.txt: the notices of the libraries whose code is part of the packages.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folders of those packages in node_modules whose code esbuild has put into these files, according to its metafile.
 */
export function packagesOf({ outputs }) {
  const used = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path));
  const folders = used.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set(folders)].filter((folder) => folder !== undefined);
}

/** The notices of these packages. Throws if a package says too little about its licence. */
export function noticesOf(root, folders) {
  const notices = new Map(folders.map((folder) => {
    const path = join(root, folder);
    const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const file = readdirSync(path).find((each) => /^licen[cs]e(?:[.-]|$)/i.test(each));
    const text = file === undefined ? withoutFile(root, manifest) : readFileSync(join(path, file), 'utf8');
    return [`${manifest.name} ${manifest.version} (${manifest.license})`, text.replaceAll('\r\n', '\n').trim()];
  }));
  const parts = [...notices].toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, text]) => `${'-'.repeat(80)}\n${title}\n${'-'.repeat(80)}\n\n${text}\n`);
  return `This package holds code of the libraries below, each under its own licence.\n\n${parts.join('\n')}`;
}

/**
 * The notice of a package that says only in its manifest that it has the MIT licence. The text is that of our licence.
 */
function withoutFile(root, { name, license, author }) {
  const holder = (author?.name ?? author)?.replace(/ *[<(].*$/, '');
  if (license !== 'MIT' || !holder) throw new Error(`${name} has no licence file, and its code is in the bundle`);
  const text = readFileSync(join(root, 'LICENSE'), 'utf8').replace(/^Copyright .*$/m, `Copyright (c) ${holder}`);
  return `(The package has no licence file. Its manifest names the licence and the author.)\n\n${text}`;
}
