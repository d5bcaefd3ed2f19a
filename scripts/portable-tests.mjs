// The tests that also run on the portable backend: `node scripts/test.mjs --portable`. The list has parts of file
// names. Tests of what that backend lacks, as docs/guide/portable.md says, are not in it.
export const portableTests = [
  'dist/src/portable/', 'reactor/messages.test', 'reactor/call-stream', 'reactor/call-service', 'reactor/runtime-calls',
  'reactor/restart.test', 'reactor/queues-inside', 'reactor/idle-strategy', 'tasks/process.real', 'bus/topics',
  'bus/retained', 'services/service', 'timers/timers.test', 'topology/rings', 'io/local-io', 'io/link-queue',
  'io/readiness', 'io/file.test', 'io/file-writing', 'load-balancer/outputs',
  'levels/executor',
];
