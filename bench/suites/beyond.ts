/** Suite `beyond`: beyond one process and one machine. One bench a row of its table. */
import type { Suite } from '../harness.js';
import { nats } from './beyond/nats.js';
import { takeover } from './beyond/takeover.js';

const beyond: Suite = { name: 'beyond', benches: [nats, takeover] };
export default beyond;
