// The tests that run on the portable backend as well as natively: `node scripts/test.mjs --portable`. Parts of file
// names. What is missing there, as docs/guide/portable.md says, is not among them.
export const portableTests = [
  'dist/src/portable/', 'reactor/messages.test', 'reactor/call-stream', 'reactor/call-service', 'reactor/runtime-calls',
  'reactor/restart.test', 'reactor/queues-inside', 'reactor/idle-strategy', 'tasks/process.real', 'bus/topics',
  'bus/retained', 'services/service', 'timers/timers.test', 'topology/rings', 'io/local-io', 'io/link-queue',
  'io/readiness', 'io/file.test', 'io/file-writing',
];
