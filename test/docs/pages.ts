/** The pages that readers of the repository meet, and what tests ask of their text. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export interface Page {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block of code. */
export interface Block {
  /** Number of its first line of code in the page, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** What the comment `<!-- given: … -->` before it says: declarations that a sample needs and a reader does not. */
  readonly given: string;
  /** Nothing but blank lines stands between it and the block before. */
  readonly follows: boolean;
}

const FOLDERS = [
  '.', 'docs', 'docs/guide', 'docs/guide/migrating', 'docs/decisions', 'bench', 'examples/load-balancer',
  'examples/resp',
];

/** Every page of Markdown. */
export function pages(): Page[] {
  return FOLDERS.flatMap((folder) => readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => {
      const path = join(root, folder, name);
      return { path: relative(root, path), text: readFileSync(path, 'utf8') };
    }));
}

/** The fenced blocks of a page, in order. */
export function blocksOf({ text }: Page): Block[] {
  const blocks: Block[] = [];
  const fence = /(?:<!-- given:([^]*?)-->\n)?```(\w*)\n([^]*?)```/g;
  let end = -1;
  for (const match of text.matchAll(fence)) {
    const [whole, given = '', language = '', code = ''] = match;
    const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length + 1;
    const follows = end >= 0 && text.slice(end, match.index).trim() === '';
    end = match.index + whole.length;
    blocks.push({ line, language, code, given: given.trim(), follows });
  }
  return blocks;
}

/** The page without its blocks of code and its comments. */
export const proseOf = ({ text }: Page): string => text.replace(/```[^]*?```/g, '').replace(/<!--[^]*?-->/g, '');

/** The part of a link behind `#` that GitHub gives to a heading. */
export const anchorOf = (heading: string): string =>
  heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
