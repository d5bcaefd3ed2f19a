/**
 * Topics between reactors and the main thread: what users see of this room.
 *
 * @module
 */
export { createTopic, type Topic } from './topic.js';
export { subscribe, subscribeBatches, subscribeBytes, type Subscription } from './subscribe.js';
export { topicsOf, type BusStatus, type TopicStatus } from './status.js';
export type { SubscribeOptions, SubscriptionStatus, TopicOptions, TopicPolicy } from './options.js';
export type { TopicInfo } from './topic-info.js';
