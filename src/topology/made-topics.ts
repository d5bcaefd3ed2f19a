/** Topics that tasks made by messages publish to, and how those that subscribe get what is published. */
import { createTopic, subscribe, topicsOf, type Subscription, type Topic } from '../bus/index.js';
import { PercoreError, invalidArgument } from '../errors.js';
import type { Reactor, Task } from '../reactor/index.js';
import type { ControlMessages, Shown } from './messages.js';
import type { ProgramContext } from './programs.js';

type Publishes = NonNullable<ControlMessages['spawn']['publishes']>;
type Subscribes = NonNullable<ControlMessages['spawn']['subscribes']>;

/** The topics of one party: several of its tasks may publish to the same topic. */
export class MadeTopics {
  readonly #reactor: Reactor;
  readonly #byName = new Map<string, Topic>();

  constructor(reactor: Reactor) {
    this.#reactor = reactor;
  }

  /** What `context.publish` is for a task, or main, that may publish to these topics. */
  publisher(from: string, publishes: Publishes): ProgramContext['publish'] {
    checkByName('spawn.publishes', publishes);
    return (name, message) => {
      if (!Object.hasOwn(publishes, name)) throw undeclaredTopic(from, name, Object.keys(publishes));
      let topic = this.#byName.get(name);
      if (topic === undefined) {
        topic = createTopic(this.#reactor, { ...publishes[name], name });
        this.#byName.set(name, topic);
      }
      return topic.publish(message);
    };
  }

  /** Gives a task what is published to these topics, through its inbox; the returned function ends that. */
  subscribe(task: Task<unknown>, subscribes: Subscribes): () => void {
    checkByName('spawn.subscribes', subscribes);
    const made: Subscription[] = [];
    const leave = (): void => made.forEach((each) => each.leave());
    try {
      for (const [name, options] of Object.entries(subscribes)) {
        made.push(subscribe(this.#reactor, name, options, (message) => task.send(message)));
      }
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  /** The topics that this party publishes to or subscribes to, whoever made them. */
  show(): Shown[] {
    const { topics, subscriptions } = topicsOf(this.#reactor);
    return [
      ...topics.map((topic): Shown => ({
        kind: 'topic', name: topic.name, details: { ...topic },
        about: `${topic.published} published to ${topic.subscribers.length} parties`,
      })),
      ...subscriptions.map((subscription): Shown => ({
        kind: 'subscription', name: subscription.pattern, details: { ...subscription },
        about: `${subscription.received} received, ${subscription.dropped} dropped`,
      })),
    ];
  }
}

function checkByName(argument: string, given: unknown): void {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw invalidArgument(argument, given, 'an object: options by the names of topics');
}

function undeclaredTopic(from: string, topic: unknown, declared: readonly string[]): PercoreError {
  const allowed = declared.length === 0 ? 'none' : declared.map((each) => `"${each}"`).join(', ');
  const message = `"${from}" may not publish to ${JSON.stringify(topic)}: it is declared to publish to ${allowed}`;
  return new PercoreError('ERR_PERCORE_UNDECLARED', message, { argument: 'topic', value: topic, allowed });
}
