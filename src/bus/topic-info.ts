/** Tells a handler where a message comes from. It is the same object for each message of a topic. */
export interface TopicInfo {
  /** The name of the topic, even if the subscription has a star. */
  readonly topic: string;
  /** The party that published it; the main thread comes after the last reactor. */
  readonly from: number;
  /** True for a message that was published before this subscriber joined; it is the last one of its publisher. */
  readonly isRetained: boolean;
}
