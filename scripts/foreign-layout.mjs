// Writes those numbers of the layout table that other languages need into the header and the module in foreign/,
// between the marks <layout> and </layout>. src/queues/foreign.test.ts fails if they differ from the table.
//
//     node scripts/foreign-layout.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as layout from '../dist/src/layout.js';
import * as codes from '../dist/src/result-codes.js';
import * as ring from '../dist/src/queues/ring.js';

/** `startTicks` -> `START_TICKS`. */
const upper = (name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();

/** All numbers, by their names. */
export function foreignNumbers() {
  const numbers = {
    QUEUE_FILE_MAGIC_VALUE: layout.QUEUE_FILE_MAGIC, QUEUE_FILE_VERSION_VALUE: layout.QUEUE_FILE_VERSION,
    QUEUE_MAGIC_VALUE: layout.QUEUE_MAGIC, GROUP_MAGIC_VALUE: layout.GROUP_MAGIC,
    LAYOUT_VERSION: layout.LAYOUT_VERSION, LINE_BYTES: layout.LINE_BYTES, SLACK_BYTES: 8,
    MAX_SHARERS: layout.MAX_SHARERS, SHARERS_AT: layout.sharerAt(0), SHARER_BYTES: layout.sharerLayout.bytes,
    TEXT_AT: layout.QUEUE_FILE_TEXT, QUEUE_BYTES: layout.queueLayout.bytes, GROUP_BYTES: layout.groupLayout.bytes,
    PLACE_BYTES: layout.placeLayout.bytes, FIRST_PLACE: layout.FIRST_PLACE_BYTES, PADDING: -1,
    BANDS: layout.BANDS, LANE_BYTES: layout.LANE_WORDS * 4,
  };
  for (const [name, { fields }] of Object.entries({
    QUEUE_FILE: layout.queueFileLayout, SHARER: layout.sharerLayout, QUEUE: layout.queueLayout,
    GROUP: layout.groupLayout, PLACE: layout.placeLayout,
  })) for (const [field, { at }] of Object.entries(fields)) numbers[`${name}_${upper(field)}`] = at;
  for (const [name, value] of Object.entries(layout.words.queueFileKind)) numbers[`KIND_${name}`] = value;
  for (const name of [
    'CONSUMER_WAITS', 'PRODUCER_WAITS', 'FOLLOWER_WAITS', 'CLOSING', 'SEALED', 'ABANDONED', 'ENDED_BY', 'FREE',
    'JOINING', 'HELD', 'ENTERING', 'GATING', 'LOSSY', 'EVICTED_PLACE', 'DROP_NEWEST', 'DROP_OLDEST', 'EVICT', 'PUSHED',
  ]) numbers[name] = ring[name];
  numbers.OPEN_PHASE = ring.OPEN;
  for (const name of ['EMPTY', 'BACK_PRESSURED', 'CLOSED', 'TOO_LARGE', 'DROPPED'])
    numbers[`CODE_${name}`] = codes[name];
  return numbers;
}

/** The paths of the files, and their texts with the numbers. */
export function foreignFiles() {
  const numbers = Object.entries(foreignNumbers());
  return [
    [
      'percore_queue.h', '/\\* <layout>', '/\\* </layout>', ([name, value]) => `  PERCORE_${name} = ${value},`,
      'enum {', '};',
    ],
    ['percore_queue.py', '# <layout>', '# </layout>', ([name, value]) => `${name} = ${value}`, '', ''],
  ].map(([file, begin, end, line, before, after]) => {
    const path = fileURLToPath(new URL(`../foreign/${file}`, import.meta.url));
    const body = [before, ...numbers.map(line), after].filter((text) => text !== '').join('\n');
    return {
      path,
      text: readFileSync(path, 'utf8').replace(
        new RegExp(`(${begin}[^\\n]*\\n)[^]*?(${end})`), (_all, first, last) => `${first}${body}\n${last}`),
    };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { path, text } of foreignFiles()) writeFileSync(path, text);
