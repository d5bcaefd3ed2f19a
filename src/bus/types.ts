/**
 * What the optional part `topics` of a Protocol says about who publishes and who subscribes. It is for the compiler
 * alone.
 */
import type { StepResult } from '../reactor/index.js';
import type { TopicInfo } from './topic-info.js';

interface AnyTopics {
  readonly [name: string]: unknown;
}
type TopicsOf<P> = P extends { readonly topics: infer T } ? T : AnyTopics;

/** The names of the declared topics. */
export type TopicName<P> = keyof TopicsOf<P> & string;
/** What is published to a topic of this name. */
export type PublishedAs<P, N> = N extends keyof TopicsOf<P> ? TopicsOf<P>[N] : unknown;
/** A codec fits only if its values are those that are declared for the topic. */
export type CodecFits<P, N, T> = P extends { readonly topics: object }
  ? [T] extends [PublishedAs<P, N>] ? unknown : { readonly codec: 'a codec of what is declared for this topic' }
  : unknown;

/** The declared names that a pattern matches. */
type Matching<P, Pattern> = string extends Pattern ? TopicName<P>
  : Pattern extends `${infer Beginning}*`
    ? { [N in TopicName<P>]: string extends N ? N : N extends `${Beginning}${string}` ? N : never }[TopicName<P>]
    : Pattern extends TopicName<P> ? Pattern : never;

/** Refuses a pattern that matches no declared topic. */
export type PatternFits<P, Pattern> = [Matching<P, Pattern>] extends [never]
  ? 'no declared topic has this name or begins like this' : unknown;
/** What the subscribers of a pattern get. */
export type Heard<P, Pattern> = PublishedAs<P, Matching<P, Pattern>>;

/** A handler may accept something narrower than `unknown`, as methods may, since nothing could check it. */
export type TopicHandler<T> = { run(value: T, info: TopicInfo): StepResult }['run'];
