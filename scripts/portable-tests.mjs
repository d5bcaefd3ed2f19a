// The tests that run on the portable backend as well as natively: `node scripts/test.mjs --portable`. Parts of file
// names. What is missing there, docs/guide/portable.md says, has its tests elsewhere.
export const portableTests = [
  'dist/modules/portable/', 'dist/src/reactor/messages.test', 'dist/src/reactor/priority.test',
];
