// Keeps what V8 has compiled of the package in the folder PERCORE_CODE_CACHE, for processes that are started later.
//
//     first process   compile, 35 ms ──> run ──a second after a runtime has started, or at the end──> a file a script
//     later ones      read them, and hand them to the threads that they start
//
// V8 believes what it reads, and a wrong byte would end the process: so each file begins with a checksum, a folder that
// others may write to is not used, and names say for which text, which V8 and which of its flags a file is.
'use strict';
const { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } =
  process.getBuiltinModule('node:fs');
const { join, resolve } = process.getBuiltinModule('node:path');
const { cachedDataVersionTag } = process.getBuiltinModule('node:v8');
const { threadId } = process.getBuiltinModule('node:worker_threads');
const { crc32 } = process.getBuiltinModule('node:zlib');

const CHECKSUM_BYTES = 4;
const GROUP_OR_OTHERS_WRITE = 0o022;
const folder = resolve(process.env.PERCORE_CODE_CACHE);
/** Whether the folder can be used; undefined before the first look. */
let isUsable;

function refuse(why) {
  if (isUsable === false) return;
  isUsable = false;
  process.emitWarning(`PERCORE_CODE_CACHE, ${folder}, is not used: ${why}`, { code: 'PERCORE_CODE_CACHE_REFUSED' });
}

/** Makes the folder if it is not there. Refuses one that cannot be used. */
function look() {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    if (uid !== process.geteuid?.() && uid !== 0) refuse('it belongs to another user');
    else if ((mode & GROUP_OR_OTHERS_WRITE) !== 0) refuse('others may write to it (chmod go-w)');
    else isUsable = true;
  } catch (error) {
    refuse(error.message);
  }
}

const pathOf = (build) =>
  join(folder, `percore-${build.slice(0, 16)}-${process.arch}-${cachedDataVersionTag().toString(16)}.code`);

/** What was kept of the script with this hash; undefined if there is nothing, or if it is damaged. */
function read(build) {
  if (isUsable === undefined) look();
  const path = pathOf(build);
  if (!isUsable || !existsSync(path)) return undefined;
  try {
    const bytes = readFileSync(path);
    const code = bytes.subarray(CHECKSUM_BYTES);
    if (bytes.length > CHECKSUM_BYTES && bytes.readUInt32LE(0) === crc32(code)) return code;
    process.emitWarning(`${path} is damaged; it is made anew`, { code: 'PERCORE_CODE_CACHE_DAMAGED' });
  } catch (error) {
    refuse(error.message);
  }
  return undefined;
}

/** Keeps the code of the script with this hash. Others see all of the file or none of it. */
function write(build, code) {
  if (isUsable === undefined) look();
  if (!isUsable) return;
  const path = pathOf(build);
  const draft = `${path}.${process.pid}.${threadId}`;
  try {
    const checksum = Buffer.alloc(CHECKSUM_BYTES);
    checksum.writeUInt32LE(crc32(code));
    writeFileSync(draft, Buffer.concat([checksum, code]), { mode: 0o600 });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    refuse(error.message);
  }
}

module.exports = { read, write };
