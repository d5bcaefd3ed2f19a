/** Services with a shard in every reactor: what users see of this room. */
export {
  createService, openService,
  type Service, type ServiceCaller, type ServiceCallOptions, type ServiceOptions, type Shard,
} from './service.js';
export type { ServiceAnswer, ServiceMethod, ServiceStub, ServiceArguments } from './methods.js';
