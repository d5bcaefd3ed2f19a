/**
 * The files of the suite that run with the addons for other platforms, in their short form: queues, timers, I/O, tasks,
 * calls, topics, services, deaths and restarts.
 */
const named = (names) => names.map((name) => `dist/src/${name}.test.js`);

/**
 * On arm64, in an emulator of one processor's instructions (`qemu-user-static`). What that does not let run: pins and
 * real-time policies act on the machine's own CPUs; io_uring is refused, so epoll stands in; times mean nothing, so
 * that tests of punctuality, of idle CPU and of stalls say nothing; programs in C are of the other processor; and V8
 * needs minutes for what takes seconds, so it is some files of each kind, which wait twenty times as long there
 * (PERCORE_TEST_PATIENCE). Where one processor orders memory more strictly than the other, the emulator shows the order
 * of the stricter one: that of weak memory is for the explorer.
 */
export const emulatedTests = named([
  'queues/recover', 'queues/fixed-records', 'queues/variable-records', 'queues/mpsc-queue', 'queues/value-queue',
  'queues/closing', 'queues/places', 'timers/timer-wheel', 'timers/timers', 'io/link-queue', 'io/readiness',
  'reactor/calls', 'reactor/create-runtime', 'reactor/messages', 'services/service', 'bus/topics',
]);

/** On musl. Left out is what measures memory or time, or takes the machine's other programs. */
export const muslTests = named([
  'queues/banded-queue', 'queues/chains', 'queues/closing', 'queues/codec', 'queues/create', 'queues/deque',
  'queues/fixed-records', 'queues/hostile-memory', 'queues/linked-chunks', 'queues/linked-ends', 'queues/linked-queue',
  'queues/lossy-consumer', 'queues/mpsc-queue', 'queues/own-end', 'queues/pipe', 'queues/places', 'queues/policies',
  'queues/recover', 'queues/reentrant', 'queues/spmc-queue.model', 'queues/spsc-queue.model', 'queues/struct-layout',
  'queues/struct-view', 'queues/value-codec', 'queues/value-queue', 'queues/variable-records', 'timers/clock',
  'timers/manual-clock', 'timers/timer-wheel', 'timers/timers', 'timers/timers-cancel', 'timers/timers-reactor',
  'io/connection-node-streams', 'io/link-queue', 'io/line-reader', 'io/readiness', 'io/udp', 'reactor/backpressure',
  'reactor/call-stream', 'reactor/calls', 'reactor/create-runtime', 'reactor/messages', 'reactor/queues-inside',
  'reactor/restart', 'reactor/runtime-calls', 'bus/topics', 'services/service', 'tasks/process',
]);
