/**
 * The files of the suite that run on arm64 in an emulator of one processor's instructions (`qemu-user-static`), in
 * their short form. What is not in the list:
 */
export const emulatedTests = [
  'queues/banded-queue', 'queues/chains', 'queues/closing', 'queues/codec', 'queues/create', 'queues/deque',
  'queues/fixed-records', 'queues/hostile-memory', 'queues/linked-chunks', 'queues/linked-ends', 'queues/linked-queue',
  'queues/lossy-consumer', 'queues/mpsc-queue', 'queues/own-end', 'queues/pipe', 'queues/places', 'queues/policies',
  'queues/recover', 'queues/reentrant', 'queues/spmc-queue.model', 'queues/spsc-queue.model', 'queues/struct-layout',
  'queues/struct-view', 'queues/value-codec', 'queues/value-queue', 'queues/variable-records', 'timers/clock',
  'timers/manual-clock', 'timers/timer-wheel', 'timers/timers', 'timers/timers-cancel', 'timers/timers-reactor',
  'io/connection-node-streams', 'io/link-queue', 'io/line-reader', 'io/readiness', 'io/udp', 'reactor/backpressure',
  'reactor/call-stream', 'reactor/calls', 'reactor/create-runtime', 'reactor/messages', 'reactor/queues-inside',
  'reactor/restart', 'reactor/runtime-calls', 'bus/topics', 'services/service', 'tasks/process',
].map((name) => `dist/src/${name}.test.js`);
