// Loaded before a program: kills it, as a power cut would, at the Nth step that changes the file system.
const fs = require('node:fs')
const { syncBuiltinESMExports } = require('node:module')

const at = Number(process.env.DIE_AT)
const under = process.env.DIE_UNDER
let steps = 0

for (const name of [
  'openSync',
  'writeSync',
  'writeFileSync',
  'fsyncSync',
  'renameSync',
  'rmSync',
  'mkdirSync',
  'rmdirSync',
  'fchmodSync',
]) {
  const original = fs[name]
  fs[name] = (...args) => {
    // Descriptors are of files that were opened there; reading changes nothing.
    const counts =
      typeof args[0] === 'number' ||
      (String(args[0]).startsWith(under) && (name !== 'openSync' || args[1] !== 'r'))
    if (counts && ++steps === at) process.kill(process.pid, 'SIGKILL')
    return original(...args)
  }
}
syncBuiltinESMExports()
process.on('exit', () => {
  if (process.env.DIE_COUNT) fs.appendFileSync(process.env.DIE_COUNT, `${steps}\n`)
})
