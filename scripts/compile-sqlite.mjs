// Compiles SQLite for a checkout on Node 20. From Node 22 on, the package better-sqlite3 contains its binaries.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const folder = 'node_modules/better-sqlite3-node20'
const isOldNode = Number(process.versions.node.split('.')[0]) < 22
if (isOldNode && !existsSync(`${folder}/build/Release/better_sqlite3.node`)) {
  // The optimization level of a third of the compile time of the default. The tests are not slower.
  const env = { CFLAGS: '-O1', CXXFLAGS: '-O1', ...process.env }
  const words = ['explore', 'better-sqlite3-node20', '--', 'npm', 'run', '--silent', 'install']
  process.exitCode = spawnSync('npm', words, { stdio: 'inherit', env }).status ?? 1
}
