// Writes the listing of the public surface anew: what each entry of package.json exports, with the members that users
// see. To be run after a build.
//
//   npm run surface
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../test/house/sources.mjs';
import { readSurface, writeSurface } from '../test/house/surface.mjs';

const folder = join(root, 'test/house/surface');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const [name, text] of writeSurface(readSurface())) writeFileSync(join(folder, name), text);
