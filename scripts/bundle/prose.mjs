// The tables of shared memory say of each word who writes it, who reads it and what it means. That is for readers, for
// native/layout.h and for tests. The package has it in its sources' comments alone: each thread would read it, and make
// objects of it, when it starts. Of a field with `status` what it means stays: exporters write that beside its value.
import { parseSync } from 'oxc-parser';

const TABLE = /\/layout-[\w-]+\.js$/;
const PROSE = new Set(['writes', 'reads', 'means']);

/** The text of the module without that, in as many lines. Other modules than tables are left as they are. */
export function withoutProse(path, text) {
  if (!TABLE.test(path)) return text;
  const found = [];
  const look = (node) => {
    if (Array.isArray(node)) return node.forEach(look);
    if (node === null || typeof node !== 'object') return undefined;
    if (node.type !== 'ObjectExpression') return Object.values(node).forEach(look);
    const isShown = node.properties.some(({ key }) => key?.name === 'status');
    for (const property of node.properties) {
      const name = property.key?.name;
      if (PROSE.has(name) && !(isShown && name === 'means')) found.push(property);
      else look(property);
    }
    return undefined;
  };
  look(parseSync(path, text).program.body);
  let rest = text;
  for (const { start, end } of found.toReversed()) {
    const after = rest.slice(end).replace(/^\s*,/, (comma) => comma.slice(0, -1));
    rest = rest.slice(0, start) + rest.slice(start, end).replace(/[^\n]/g, '') + after;
  }
  return rest;
}
