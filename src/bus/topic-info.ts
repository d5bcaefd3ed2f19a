/** Of what a subscriber is given: where it comes from. The same object for each message of a topic. */
export interface TopicInfo {
  /** The name of the topic, also where the subscription has a star. */
  readonly topic: string;
  /** The party that published it; the main thread comes after the last reactor. */
  readonly from: number;
  /** It was published before this subscriber joined, and is the last of its publisher. */
  readonly isRetained: boolean;
}
