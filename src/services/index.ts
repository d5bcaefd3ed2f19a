/**
 * Services with a shard in every reactor: what users see of this room.
 *
 * @module
 */
export {
  createService, openService,
  type Service, type ServiceCaller, type ServiceCallOptions, type ServiceOptions, type ServiceStreamOptions, type Shard,
} from './service.js';
export type {
  ServiceAnswer, ServiceArguments, ServiceMethod, ServiceStub, StreamedByMethod, StreamingMethod,
} from './methods.js';
