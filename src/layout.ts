/**
 * The one table of all shared words: field, type, offset, who writes, who reads, what it means, and for words that
 * operators see, their name in `runtime.status()`. It is data without logic. Each part of Percore has a file for its
 * tables (layout-queues.ts, layout-reactor.ts, layout-io.ts and others), and everybody imports them from here.
 * `native/layout.h` is generated from the table and carries the same hash, which `native.ts` compares when it loads the
 * addon, so the two languages cannot drift apart. No offset is typed anywhere else.
 *
 * Words that different threads write lie 128 bytes apart, because processors fetch lines of 64 bytes in pairs.
 * Every structure starts with magic and version; every reserved byte is zero.
 *
 *   Queue   | header 0 | producer's line 128, its counts 192 | attention 256 | bells 384 | place 0 512
 *           | (place 1 768 …) | records 768 …
 *   Place   | consumer's line 0, its counts 64 | producer's line 128
 *   Linked  | Queue | header 768 | producer's line 896 | chunks' table 1024 … | chunk 0 | chunk 1 | …
 *             Chunks are added as they are needed.
 *   Group   | header 0 | closing 128 | lanes' version 256 | bell 384 | ready 512 | used 640 | places 768 | lanes 1024
 *           | Queue | Queue | …
 *   Party   | header 0 | attention 128 | yield 256 | stop 384 | lanes 512 | settings 640 | phase 768 | counters 896 …
 *   Inbox   | Party | lanesMadeBy[parties], 128 bytes each | lane 0 | lane 1 | …
 *             There is one for each party; its lanes lead inward.
 *   Runtime | header 0 | changes 128 | presence[parties] 256 … | bucketOwner[1024] … | generation[parties] …
 *   Slots   | stages 0 | word[8192] 128 …
 *   Buckets | sent[8192] 0 … | busyNs[1024] 32768 … | held 40960, waiting | lost 41088 |
 *           | bands[8] 41216 | taken[parties][8192] …         There is one for each party.
 *   Topics  | header 0 | changes 128 | TopicMember 256 | its patterns, twice | TopicRows | TopicRow | …
 *           | TopicMember | …
 *   Pipe    | header 0 | who has which end 128 | producer's line 256 | consumer's line 384 |
 *   UserReadiness | header 0 | bits 128 | closed 256 |
 *   Offload | isUnwanted[tasks] 0 …
 *   Figures | header 0 | asked 128 | Histogram of each kind of lane … | TaskFigures | its Histograms | …
 *             There is one for each party, where figures are taken.
 *   QueueFile | header 0 | version of the sharers 128 | Sharer 256 … | text 8448 … | Queue or Group   a file
 *   Page    | header 0 | text 256 … | Party | … | PageTask | … | PageLane | … | PageRate | …
 *             A file for other processes.
 *   FairLock | holder, waiters, next 0 | number[32] 128
 *   App     | header 0 | AppCore, FairLock | … | AppLevel | … | sent[levels + 1] | begun[tasks]
 *           | FairLock, state of a resource | …
 */
import type { Structure } from './layout-fields.js';
import { datagramEntryLayout, ioBlockLayout, ioCountersLayout, readinessLayout } from './layout-io.js';
import {
  BANDS, BUCKETS, DATAGRAM_BATCH, LANES_PER_PEER, LAYOUT_VERSION, LINE_BYTES, MAX_PARTIES, MOST_KEPT_PEERS, PARTY_MAGIC,
  PIPE_MAGIC, QUEUE_MAGIC, READINESS_MAGIC, RETURN_LANES, RUNTIME_MAGIC, TIMERS_PER_CHUNK,
} from './layout-limits.js';
import {
  APP_MAGIC, appCoreLayout, appLayout, appLevelLayout, executorAnswerLayout, fairLockLayout, FIFO_MAGIC,
  realtimeFifoLayout,
} from './layout-levels.js';
import { groupLayout, linkedLayout, pipeLayout, placeLayout, queueLayout } from './layout-queues.js';
import { figuresLayout, taskFiguresLayout, traceSpanLayout, FIGURES_MAGIC } from './layout-observe.js';
import { PAGE_MAGIC, pageAskLayout, pageLayout, pageRateLayout, pageTaskLayout } from './layout-page.js';
import {
  pageClassLayout, pageCursorLayout, pageLaneLayout, pageQueueLayout, pageReactorLayout, pageWayLayout,
} from './layout-page-rows.js';
import { offloadLayout } from './layout-offload.js';
import { queueFileLayout, sharerLayout, QUEUE_FILE_MAGIC } from './layout-queue-file.js';
import {
  bucketsLayout, deliveryLayout, partyLayout, runtimeLayout, slotsLayout, timerCountersLayout, timerRecordLayout,
  timerRequestsLayout,
} from './layout-reactor.js';
import { topicMemberLayout, topicRowLayout, topicRowsLayout, topicsLayout, TOPICS_MAGIC } from './layout-topics.js';

export type * from './layout-fields.js';
export * from './layout-io.js';
export * from './layout-levels.js';
export * from './layout-limits.js';
export * from './layout-observe.js';
export * from './layout-offload.js';
export * from './layout-page.js';
export * from './layout-page-rows.js';
export * from './layout-queue-file.js';
export * from './layout-queues.js';
export * from './layout-reactor.js';
export * from './layout-sizes.js';
export * from './layout-topics.js';
export * from './layout-words.js';

export const structures: readonly Structure[] = [
  placeLayout, queueLayout, linkedLayout, groupLayout, ioCountersLayout, timerCountersLayout, partyLayout,
  runtimeLayout, slotsLayout, bucketsLayout, deliveryLayout, ioBlockLayout, timerRequestsLayout, timerRecordLayout,
  pipeLayout, datagramEntryLayout, readinessLayout, topicsLayout, topicMemberLayout, topicRowsLayout,
  topicRowLayout, offloadLayout,
  figuresLayout, taskFiguresLayout, traceSpanLayout, pageLayout, pageTaskLayout, pageRateLayout, pageAskLayout,
  pageReactorLayout, pageClassLayout, pageLaneLayout, pageWayLayout, pageQueueLayout, pageCursorLayout,
  fairLockLayout, appLayout, appCoreLayout, appLevelLayout, realtimeFifoLayout, executorAnswerLayout,
  queueFileLayout, sharerLayout,
];

/** Plain numbers that both languages need. */
export const constants = {
  LINE_BYTES, BANDS, LANES_PER_PEER, RETURN_LANES, BUCKETS, MAX_PARTIES, QUEUE_MAGIC, PARTY_MAGIC, RUNTIME_MAGIC,
  PIPE_MAGIC, READINESS_MAGIC, TOPICS_MAGIC, APP_MAGIC, FIFO_MAGIC, FIGURES_MAGIC, PAGE_MAGIC, QUEUE_FILE_MAGIC,
  LAYOUT_VERSION, TIMERS_PER_CHUNK, DATAGRAM_BATCH, MOST_KEPT_PEERS,
} as const;
