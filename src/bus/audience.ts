/**
 * The parties that have subscribers of one topic, as its publisher knows them. A message goes to all of them or to
 * none: room for it is claimed in each lane, and given back in all where one has none.
 */
import { CLOSED, type Codec, type RecordMemory } from '../queues/index.js';
import { HEAD_BYTES, type Party } from '../reactor/internal.js';
import type { TopicMembership } from '../topic-membership.js';
import type { TopicSettings } from './options.js';
import { matches } from './pattern.js';
import { Recipient } from './recipient.js';
import { BUS_HEAD_BYTES, BUS_TASK, copyPayload } from './wire.js';

/** See the head of this file. */
export class Audience {
  targets: Recipient[] = [];
  /** The party that has refused last. */
  refuser: Recipient | undefined;
  /** The count of changes that the publisher has in view, as messages carry it, and the same without wrapping. */
  private seenChanges: number | undefined;
  view = 0;
  private readonly known: Recipient[] = [];

  /** `number` and `description` are what the parties are told of the topic. */
  constructor(
    private readonly party: Party, private readonly members: TopicMembership, private readonly settings: TopicSettings,
    private readonly number: number, private readonly description: Uint8Array,
  ) {}

  /** The parties that have subscribers at this moment. */
  get parties(): number[] {
    if (this.members.changes() !== this.seenChanges) this.look();
    return this.targets.map(({ party }) => party);
  }

  /** Makes sure that it is known who subscribes: one load, unless somebody has joined or left. */
  refresh(): void {
    const { members } = this;
    const changes = this.settings.retain ? members.changes() : members.recentChanges();
    if (changes !== this.seenChanges) this.look();
  }

  /**
   * Claims room for a payload of `length` bytes, which is so many messages, in all lanes. Returns the index of the
   * first lane that has it, or the number of targets if there is none. If it returns BACK_PRESSURED or TOO_LARGE,
   * nothing is claimed anywhere.
   */
  claim(length: number, messages = 1): number {
    const { targets } = this;
    const count = targets.length;
    let first = count;
    for (let i = 0; i < count; i++) {
      const target = targets[i]!;
      const at = target.claim(length, messages, this.seenChanges!);
      if (at >= 0) {
        if (first === count) first = i;
        target.at = at;
        continue;
      }
      target.at = -1;
      // That party has died, which will be seen as a change of members; the others go on without it.
      if (at === CLOSED) continue;
      this.giveBack(i);
      this.refuser = target;
      return at;
    }
    return first;
  }

  /** Gives back the claims in the first `count` lanes, or in all. */
  giveBack(count = this.targets.length): void {
    for (let i = 0; i < count; i++) if (this.targets[i]!.at >= 0) this.targets[i]!.outlet.abort();
  }

  /**
   * Copies what was written into the first lane into the others, and publishes all of them. `isOpen`: until they are
   * published they may be lengthened.
   */
  commitFrom(first: number, length: number, isOpen = false): void {
    const { targets } = this;
    const { outlet, at } = targets[first]!;
    for (let i = first + 1; i < targets.length; i++) {
      const target = targets[i]!;
      if (target.at < 0) continue;
      copyPayload(outlet, at, length, target.outlet, target.at);
      target.commit(length, isOpen);
    }
    targets[first]!.commit(length, isOpen);
  }

  /** Copies `length` bytes, so many messages, from memory beside the lanes into the claims, and publishes them. */
  commitCopy(memory: RecordMemory, from: number, length: number, messages = 1): void {
    for (const { at, outlet } of this.targets) {
      if (at < 0) continue;
      copyPayload(memory, from, length, outlet, at);
      outlet.commit(HEAD_BYTES + BUS_HEAD_BYTES + length, messages);
    }
  }

  /**
   * Adds a message to the last record of each lane, as if they had been published as a batch: `stride` bytes behind
   * the one before, and at most `most` in a record. False, and nothing was done, if one of these records is published
   * or is not of this topic, or if somebody has joined or left since.
   */
  lengthen(codec: Codec<unknown>, value: unknown, stride: number, most: number): boolean {
    const { targets } = this;
    const { length } = targets;
    for (let i = 0; i < length; i++) {
      if (!targets[i]!.hasRoomBehind(stride, most)) return false;
    }
    const { outlet, at } = targets[0]!;
    codec.write(value, outlet, at);
    for (let i = 1; i < length; i++) {
      const target = targets[i]!;
      copyPayload(outlet, at, stride, target.outlet, target.at);
      target.lengthen(codec.recordBytes, stride);
    }
    targets[0]!.lengthen(codec.recordBytes, stride);
    return true;
  }

  /** Somebody has joined or left somewhere: finds out who subscribes now. */
  private look(): void {
    const { party, members, known, settings } = this;
    // What they have written so far had other subscribers in view.
    for (const target of this.targets) target.close();
    // Stored before the members are read, so that a change meanwhile is seen the next time.
    this.seenChanges = members.changes();
    this.view = members.totalOf(this.seenChanges);
    this.targets = [];
    for (let id = 0; id <= party.shared.reactors; id++) {
      const { generation, patterns } = members.of(id);
      if (!patterns.some((pattern) => matches(pattern, settings.name))) continue;
      let target = known[id];
      if (target === undefined) {
        const outlet = party.lanes.outlet(id, settings.band);
        const name = outlet.name(BUS_TASK);
        target = known[id] = new Recipient(id, outlet, name, generation, this.number, this.description);
      }
      target.generation = generation;
      this.targets.push(target);
    }
  }
}
