/** What the command line may import of this room besides what users see. */
export { serveSnapshots } from './web-server.js';
export { findPages, readPage, removeStalePages, type PagePartyFigures, type PageSnapshot } from './page-reader.js';
