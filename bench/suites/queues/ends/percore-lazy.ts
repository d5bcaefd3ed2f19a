/** percore, 8-byte records, one claim and one commit a record, published by 64: what the producer of single records and the consumer of batches do. */
export { openConsumer } from './percore-batch.js';
export { openProducer } from './percore-each.js';
