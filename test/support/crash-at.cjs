// Preloaded into a program: kills it with SIGKILL at the Nth call that changes the file system below `DIE_UNDER`.
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
    // Calls with a descriptor always count. Opening a file for reading does not.
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
