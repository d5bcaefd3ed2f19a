/** What a long form needs of Debian besides what every test needs. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * Installs the packages of Debian whose files are not there, `{ path: package }`. Throws, and says what is to be
 * installed, where that is refused: a test that leaves something out because a tool is missing proves nothing.
 */
export function needDebian(files) {
  const missing = () => [...new Set(Object.keys(files).filter((path) => !existsSync(path)).map((path) => files[path]))];
  const wanted = missing();
  if (wanted.length === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { env, encoding: 'utf8' });
  apt('update', '-qq');
  const { stderr } = apt('install', '-y', '-qq', '--no-install-recommends', ...wanted);
  const left = missing();
  if (left.length > 0) throw new Error(`this test needs apt-get install ${left.join(' ')}\n${stderr ?? ''}`);
}
