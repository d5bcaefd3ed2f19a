/** What the command line may import from this room besides what users see. */
export { askForBounds, MOST_BOUND_NS, type BoundsAsk } from './page-asks.js';
export { serveSnapshots } from './web-server.js';
export {
  closedPages, findPages, isBusy, readPage, removeStalePages, type PagePartyFigures, type PageSnapshot,
} from './page-reader.js';
