/**
 * percore/nats: topics and keyed work across machines that share a broker, NATS with JetStream.
 *
 * @module
 */
export { openNats } from './nats.js';
export type { Nats, NatsStatus } from './bridge.js';
export type { NatsConsumerOptions, NatsOptions, NatsPublisherOptions } from './options.js';
export { createNatsPublisher } from './publisher.js';
export type { NatsPublisher, NatsPublisherStatus } from './publisher-types.js';
export type { NatsPublishOptions } from './publish-options.js';
export { createNatsConsumer } from './consumer.js';
export type { NatsConsumer, NatsConsumerStatus, NatsMessage, NatsStep } from './consumer-types.js';
export { ensureStream, type NatsStreamOptions } from './streams.js';
export { subjectToTopic, topicToSubject, type SubjectToTopicOptions, type TopicToSubjectOptions } from './topics.js';
export { joinOwners } from './owners.js';
export type { NatsOwners, NatsOwnersStatus } from './owners-types.js';
export type { NatsOwnersOptions, NatsOwnerStep, NatsRange } from './owners-options.js';
