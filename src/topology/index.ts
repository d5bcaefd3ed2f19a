/**
 * The InterCore protocol, topologies and identifiers: what users see of this room.
 *
 * @module
 */
export { createIds, formatId, ID_BYTES, Ids, parseId, partsOfId, readId, type IdOptions, type IdParts } from './ids.js';
export { Control, openControl, type ControlOptions } from './control.js';
export type {
  ControlAnswers, ControlMessages, CursorTarget, Listed, ListedKind, PartyDump, ProgramSettings, ReactorIdentity,
  RingSettings, Shown, TaskTarget, ControlVerb,
} from './messages.js';
export type {
  BytesProgram, ConnectionProgram, ProcessProgram, Program, ProgramContext, ProgramStep,
} from './programs.js';
export {
  defineTopology, takes,
  type CheckedTopology, type Takes, type TaskDeclaration, type TopicDeclaration, type Topology,
  type TopologyDeclaration, type TopologyMessage, type TopologyProgram, type TopologyPublishes, type TopologySends,
  type TopologyTask,
} from './topology.js';
export { RunningTopology, startTopology, type ListedInTopology } from './start.js';
export { formatDump, type TopologyDump } from './dump.js';
export { readTopology, type BootStep, type BootTopology } from './boot.js';
export { controlEntry } from './entry-url.js';
