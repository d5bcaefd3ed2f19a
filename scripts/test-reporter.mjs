// Writes what Vitest has found as JSON to the file that PERCORE_TEST_REPORT names, for scripts/test-run.mjs. Vitest's
// own JSON reporter tells neither which file's process has ended in the middle, nor which errors nobody has caught.
import { writeFileSync } from 'node:fs';

export default class TestReporter {
  onTestRunEnd(modules, unhandled) {
    const report = {
      files: modules.map((module) => ({
        path: module.moduleId,
        durationMs: module.diagnostic().duration,
        cpuMs: module.meta().cpuMs ?? 0,
        // Not to be cured by another attempt: the file did not load, its process ended, or something was thrown where
        // no test could catch it.
        broken: brokenBy(module, unhandled),
        tests: [...module.children.allTests()].map((test) => ({
          name: test.fullName, state: test.result().state, message: firstLine(test.result().errors?.[0]?.message),
        })),
        hooks: [...module.children.allSuites()].flatMap((suite) =>
          suite.errors().map(({ message }) => ({ name: suite.fullName, state: 'failed', message: firstLine(message) })),
        ),
      })),
      // Errors that belong to no file. The end of a process is one of them; its file is already known as broken.
      unhandled: unhandled.filter((error) => !error.VITEST_TEST_PATH).map(({ message }) => firstLine(message)),
    };
    writeFileSync(process.env.PERCORE_TEST_REPORT, JSON.stringify(report));
  }
}

function brokenBy(module, unhandled) {
  const tests = [...module.children.allTests()];
  if (module.errors().length > 0) return firstLine(module.errors()[0].message);
  const thrown = unhandled.find((error) => error.VITEST_TEST_PATH === module.moduleId);
  if (thrown !== undefined) return `uncaught: ${firstLine(thrown.message)}`;
  // Vitest turns an exit of the process into this error of the test.
  const exit = tests.flatMap((test) => test.result().errors ?? [])
    .find(({ message }) => message.startsWith('process.exit unexpectedly'));
  if (exit !== undefined) return firstLine(exit.message);
  const unfinished = tests.find((test) => test.result().state === 'pending');
  if (unfinished !== undefined) return `its process ended in or before: ${unfinished.fullName}`;
  return ['passed', 'failed', 'skipped'].includes(module.state()) ? undefined : 'it was not run to its end';
}

const firstLine = (message) => message?.split('\n')[0];
