/**
 * Percore where people work, with tools that this checkout has not: they are installed from the registry, and only with
 * PERCORE_STRESS=1. Without it the recipes of the guide are looked at.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pack } from '../../scripts/package/stage.mjs';
import { OWN, TARGETS } from '../../scripts/package/targets.mjs';
import { root } from '../house/sources.mjs';
import { makeProject, run, scratchFolder, stagePackages, writeFiles } from './packages.mjs';

const isStress = process.env.PERCORE_STRESS === '1';
const guide = readFileSync(join(root, 'docs', 'guide', 'installing.md'), 'utf8');
const { folder, remove } = scratchFolder();
afterAll(remove, 600_000);

const MAIN = `import { createRuntime } from 'percore';
const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 });
console.log('sum', await runtime.call('sum', [1, 2]));
await runtime.close();\n`;
const REACTOR = "export default (reactor) => { reactor.handle('sum', ([a, b]) => a + b); };\n";
const program = { 'main.mjs': MAIN, 'reactor.mjs': REACTOR };
const printed = { status: 0, stdout: 'sum 3\n', stderr: '' };

/** The first sample of a section of the guide. */
function recipe(title) {
  const [, code] = new RegExp(`^### ${title}$[\\s\\S]*?\`\`\`\\w+\n([\\s\\S]*?)\`\`\``, 'm').exec(guide);
  return code;
}

/** The files of a section of the guide, by the names in their first lines. */
function filesOf(title) {
  const section = new RegExp(`^### ${title}$([\\s\\S]*?)^###? `, 'm').exec(`${guide}\n## `)[1];
  return Object.fromEntries(
    [...section.matchAll(/```js\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(([, name, code]) => [name, code]),
  );
}

/** Starts a server that prints its address, asks its route /sum, and ends it. */
async function askServer(command, options) {
  const server = spawn(process.execPath, command, options);
  try {
    let said = '';
    const address = await new Promise((resolve, reject) => {
      const hear = (chunk) => {
        said += chunk;
        const found = /http:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d+)/.exec(said);
        if (found) resolve(`http://127.0.0.1:${found[1]}/sum`);
      };
      server.stdout.on('data', hear);
      server.stderr.on('data', hear);
      server.on('exit', () => reject(new Error(said)));
    });
    for (let tries = 0; ; tries++) {
      const answer = await fetch(address).catch((error) => error);
      if (answer.ok) return await answer.json();
      if (tries === 50) throw new Error(`${answer.message ?? (await answer.text())}\n${said}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    server.kill('SIGKILL');
  }
}

/** Of two servers of Next, one takes the port 0 for its default. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

it('the guide has a recipe for each bundler, and each leaves percore out', () => {
  expect(recipe('esbuild')).toContain('--external:percore');
  expect(recipe('Vite')).toContain('ssr: true');
  expect(recipe('webpack')).toContain('externals: [/^percore');
  expect(Object.keys(filesOf('Next.js'))).toEqual(['next.config.mjs', 'percore-runtime.mjs', 'app/sum/route.js']);
  expect(filesOf('Next.js')['next.config.mjs']).toContain("serverExternalPackages: ['percore']");
});

if (isStress) describe('with packages from the registry', () => {
  const project = join(folder, 'a project');
  const npx = (packages, args, options) => run('npx', ['--yes', ...packages.flatMap((name) => ['-p', name]), ...args], {
    cwd: project, timeoutMs: 550_000, ...options,
  });

  it('webpack, by the recipe of the guide', async () => {
    const files = { ...program, 'webpack.config.mjs': recipe('webpack') };
    makeProject(project, stagePackages(join(folder, 'staged')), files);
    const { status, stdout, stderr } = await npx(['webpack@5', 'webpack-cli@6'], ['webpack']);
    expect(status, stdout + stderr).toBe(0);
    expect(await run(process.execPath, ['dist/main.mjs'], { cwd: project })).toEqual(printed);
  }, 600_000);

  it('Next.js, by the recipe of the guide, as it is and as a folder of its own', async () => {
    const next = join(folder, 'with next');
    const staged = stagePackages(join(folder, 'staged for next'));
    const tarballs = [staged.main, staged.platform].map((path) => pack(path, folder).path);
    writeFiles(next, {
      'package.json': '{ "name": "with-next", "private": true, "type": "module" }\n',
      ...filesOf('Next.js'), 'reactor.mjs': REACTOR,
      'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;\n',
      'app/page.js': 'export default () => <p>a page</p>;\n',
    });
    const env = { NEXT_TELEMETRY_DISABLED: '1', CI: '1' };
    const packages = ['next@15', 'react@19', 'react-dom@19', ...tarballs];
    const install = ['install', '--no-audit', '--no-fund', ...packages];
    const said = await run('npm', install, { cwd: next, timeoutMs: 300_000 });
    expect(said.status, said.stderr).toBe(0);
    const built = await run(process.execPath, ['node_modules/next/dist/bin/next', 'build'], {
      cwd: next, env, timeoutMs: 800_000,
    });
    expect(built.status, built.stdout + built.stderr).toBe(0);
    const standalone = join(next, '.next', 'standalone');
    for (const [cwd, ...command] of [
      [next, 'node_modules/next/dist/bin/next', 'start'], [standalone, 'server.js'],
    ]) {
      const options = { cwd, env: { ...process.env, ...env, PORT: String(await freePort()), HOSTNAME: '127.0.0.1' } };
      expect(await askServer(command, options)).toEqual({ sum: 3 });
    }
    // `offload` loads it by name, which Next does not see.
    const loads = ['-e', "import('piscina').then(({ Piscina }) => console.log(typeof Piscina))"];
    expect(await run(process.execPath, loads, { cwd: standalone })).toMatchObject({ status: 0, stdout: 'function\n' });
  }, 1_800_000);

  it('jest, with several files and several runtimes', async () => {
    const test = `import { createRuntime } from 'percore';
      test.each([1, 2, 3])('runtime %i', async () => {
        const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 });
        expect(await runtime.call('sum', [1, 2])).toBe(3);
        await runtime.close();
      });\n`;
    writeFiles(project, {
      'one.test.mjs': test, 'two.test.mjs': test,
      'jest.config.mjs': "export default { transform: {}, testMatch: ['**/*.test.mjs'] };\n",
    });
    const { status, stderr } = await npx(['jest@30'], ['jest'], { env: { NODE_OPTIONS: '--experimental-vm-modules' } });
    expect(status, stderr).toBe(0);
    expect(stderr).toMatch(/Tests: +6 passed/);
  }, 600_000);

  it('pm2, in two processes of its cluster, which closeOnSignal ends in order', async () => {
    writeFiles(project, {
      'served.mjs': `import { closeOnSignal, createRuntime } from 'percore';
        const runtime = await createRuntime({ entry: new URL('./reactor.mjs', import.meta.url), reactors: 1 });
        closeOnSignal(runtime, { afterwards: () => console.log('closed in order') });
        console.log('sum', await runtime.call('sum', [1, 2]));\n`,
    });
    const start = ['pm2-runtime', 'start', 'served.mjs', '-i', '2', '--no-autorestart'];
    const { stdout, stderr } = await npx(['pm2@6'], ['timeout', '--signal', 'INT', '20', ...start], {
      env: { PM2_HOME: join(folder, 'pm2') },
    });
    for (const line of ['sum 3', 'closed in order', 'exited with code [0]'])
      expect(stdout.split(line).length - 1, stdout + stderr).toBe(2);
  }, 600_000);

  it('pnpm, from the tarballs', async () => {
    const other = join(folder, 'with pnpm');
    const staged = stagePackages(join(folder, 'staged for pnpm'));
    const [main, platform] = [staged.main, staged.platform].map((path) => pack(path, folder).path);
    writeFiles(other, {
      ...program, 'package.json': JSON.stringify({
        name: 'project', private: true, type: 'module', dependencies: { percore: `file:${main}` },
        // As the registry would answer, once they are published: this platform's, and those that do not fit.
        pnpm: { overrides: Object.fromEntries(
          TARGETS.map(({ name }) => [`@percore/${name}`, name === OWN ? `file:${platform}` : '-']),
        ) },
      }),
    });
    const said = await npx(['pnpm@10'], ['pnpm', 'install', '--no-frozen-lockfile'], { cwd: other });
    expect(said.status, said.stdout + said.stderr).toBe(0);
    expect(await run(process.execPath, ['main.mjs'], { cwd: other })).toEqual(printed);
  }, 600_000);
});
