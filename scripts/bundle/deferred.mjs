/**
 * Where the core of the package ends, and what a reactor's thread does not need for its first messages begins: the
 * thread loads that, all at once, when it first calls one of these. All of them open or make something, or are asked
 * for seldom. What a running reactor may be asked for at any time, such as figures or another discipline, is in the
 * core, since loading the rest of it takes some milliseconds.
 */
export const DEFERRED = [
  'layout.js', 'portable/index.js', 'timers/manual-clock.js', 'topic-membership.js', 'reactor/reading.js',
  ...[
    'connection', 'connection-endpoint', 'descriptor', 'file-endpoint', 'file-node-streams', 'file-reading',
    'file-writer', 'file-writing', 'listen-fd', 'pipe', 'pipe-endpoint', 'readiness', 'tcp', 'udp-open', 'unix',
    'watch',
  ].map((name) => `io/${name}.js`),
  ...[
    'codecs', 'fixed-records', 'group', 'index', 'inspect', 'kinds/registry', 'lossy-consumer', 'place-recovery',
    'value-queue',
  ].map((name) => `queues/${name}.js`),
];
