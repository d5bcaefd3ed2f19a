/**
 * Compares servers that keep running: all are started and warmed up, and then loaded in turn: ours with epoll, ours
 * with io_uring, and the baselines. There is a row for epoll and one for io_uring against each baseline, and one for
 * io_uring against epoll. If io_uring is refused, a row without a figure says why.
 */
import { compare, finding, percentile, type Contender, type Figure, type Finding, type Sample } from '../../harness.js';
import { percore, startServer, type IoSource, type Server, type ServerProgram, type Work } from './servers.js';

export interface ServerComparison<Name extends string> {
  readonly work: Work;
  readonly baselines: readonly ServerProgram[];
  readonly runs: number;
  /** How long arrivals gather in ours; see IdleOptions. */
  readonly gatherNs?: number;
  /** Loads a server once and returns the figures. */
  measure(server: Server): Promise<Sample<Name>>;
  /** Loads a server until its code is compiled. The figures are thrown away. */
  warmUp(server: Server): Promise<unknown>;
  figures(params: Readonly<Record<string, string | number>>): readonly Figure<Name>[];
  /** The target for io_uring against epoll. */
  readonly ofIoUring?: Partial<Record<Name, Figure['targets']>>;
}

const SOURCES: readonly IoSource[] = ['epoll', 'io_uring'];

export async function compareServers<Name extends string>(comparison: ServerComparison<Name>): Promise<Finding[]> {
  const { work, baselines, runs, gatherNs, measure, warmUp, figures } = comparison;
  const servers: Server[] = [];
  try {
    const ours = SOURCES.map((source) => percore(source, gatherNs));
    for (const program of [...ours, ...baselines]) servers.push(await startServer(program, work));
    const refused = servers.find(({ granted, name }) => granted !== undefined && granted !== name);
    const measured = servers.filter((server) => server !== refused);
    for (const server of measured) await warmUp(server);

    const contender = (server: Server): Contender<Name> => ({ name: server.name, run: () => measure(server) });
    const [first, ...others] = measured.map(contender);
    const all = await compare<Name>({
      runs, ours: first, baselines: others, hasOursAmongBaselines: true, figures: figures({}),
    });

    const samples = (metric: string, name: string): readonly number[] => {
      const row = all.find((one) => one.metric === metric && (name === 'epoll' || one.baseline.name === name))!;
      return name === 'epoll' ? row.samples.ours : row.samples.baseline;
    };
    const note = noteOf(measured);
    const { distances } = all[0]!.samples;
    const findings = SOURCES.filter((source) => source !== refused?.name).flatMap((source) =>
      figures({ source }).flatMap((figure) =>
        baselines.map(({ name }) =>
          finding(figure, samples(figure.metric, source), name, samples(figure.metric, name), note, distances),
        ),
      ),
    );
    if (refused !== undefined) {
      const [first] = figures({ source: refused.name });
      return [
        ...findings,
        {
          ...notMeasured(first, `${refused.name} was not granted: ${refused.why ?? 'no reason was told'}`),
          baseline: { name: baselines[0].name, value: null },
        },
      ];
    }
    const beside = figures({ source: 'io_uring' }).map((figure) =>
      finding(
        { ...figure, targets: comparison.ofIoUring?.[figure.of] }, samples(figure.metric, 'io_uring'), 'epoll',
        samples(figure.metric, 'epoll'), note, distances,
      ),
    );
    return [...findings, ...beside];
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** What a reader has to know about the load, in medians over the runs. */
function noteOf(servers: readonly Server[]): string {
  const medians = (of: (server: Server) => readonly number[]): string =>
    servers
      .map(
        (server) =>
          `${server.name} ${percentile(
            of(server).toSorted((a, b) => a - b),
            50,
          ).toFixed(0)}`,
      )
      .join(', ');
  const late =
    servers[0].sendLateUs.length === 0
      ? ''
      : `; messages were sent late by, p99 in us: ${medians(({ sendLateUs }) => sendLateUs)}; bursts cost less than `
        + `single ones`;
  return `the client's own CPU, % of its core: ${medians(({ clientCpuPercents }) => clientCpuPercents)}${late}`;
}

/** A machine without io_uring has no such figure. That is no failed check. */
function notMeasured(figure: Figure, why: string): Omit<Finding, 'baseline'> {
  return {
    metric: figure.metric,
    params: figure.params ?? {},
    unit: figure.unit,
    value: null,
    better: figure.better,
    ratio: null,
    runs: 0,
    spread: null,
    verified: true,
    target: null,
    samples: { ours: [], baseline: [] },
    note: `not measured: ${why}`,
  };
}
