/**
 * The text of the counters page: a line for each field of each structure in it, so that a reader of the page needs
 * neither this package nor its version.
 *
 *      Page pid 12 i32 1
 *      Party turns 896 f64 1        structure, field, byte within the structure, type, how many of it
 *      PageTask size 640            and how long the structure is
 */
import {
  pageAskLayout, pageClassLayout, pageCursorLayout, pageLaneLayout, pageLayout, pageQueueLayout, pageRateLayout,
  pageReactorLayout, pageTaskLayout, pageWayLayout, partyLayout, topicRowLayout, type Structure,
} from '../layout.js';
import { partyFigures } from '../reactor/internal.js';

const STRUCTURES: readonly Structure[] = [
  pageLayout, pageReactorLayout, pageTaskLayout, pageClassLayout, pageLaneLayout, pageWayLayout, pageQueueLayout,
  pageCursorLayout, topicRowLayout, pageRateLayout, pageAskLayout,
];

export function describePage(): string {
  const lines = STRUCTURES.flatMap(({ name, bytes, fields }) => [
    `${name} size ${bytes}`,
    ...Object.entries(fields).map(([field, { at, type, count = 1 }]) => `${name} ${field} ${at} ${type} ${count}`),
  ]);
  const ofParty = partyFigures.map(({ name, at, count }) => `Party ${name} ${at} f64 ${count}`);
  return [...lines, `Party size ${partyLayout.bytes}`, ...ofParty, ''].join('\n');
}
