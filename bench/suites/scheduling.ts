/**
 * Suite `scheduling`: what runs next, and what messages to another reactor cost. One bench for each row of its table.
 */
import type { Suite } from '../harness.js';
import { call } from './scheduling/call.js';
import { balance } from './scheduling/balance.js';
import { crossDispatch } from './scheduling/cross-dispatch.js';
import { disciplineCost } from './scheduling/discipline-cost.js';
import { dispatch } from './scheduling/dispatch.js';
import { fairness } from './scheduling/fairness.js';
import { goal } from './scheduling/goal.js';
import { restart } from './scheduling/restart.js';
import { offload } from './scheduling/offload.js';
import { migrate } from './scheduling/migrate.js';
import { select } from './scheduling/select.js';
import { stream } from './scheduling/stream.js';
import { topic } from './scheduling/topic.js';

const scheduling: Suite = {
  name: 'scheduling',
  benches: [
    dispatch,
    crossDispatch,
    select,
    disciplineCost,
    fairness,
    goal,
    restart,
    call,
    stream,
    offload,
    migrate,
    balance,
    topic,
  ],
};
export default scheduling;
