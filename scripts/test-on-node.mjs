// Runs test tiers on another Node version, installed from the npm package `node`: node scripts/test-on-node.mjs 22 TIER…
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const [version, ...words] = process.argv.slice(2)
if (version === undefined || words.length === 0) {
  console.error('Give a Node version and a tier: npm run test:on -- 22 quick')
  process.exit(2)
}
const directory = mkdtempSync(join(tmpdir(), 'node-'))
const run = (program, args, env = process.env) =>
  spawnSync(program, args, { stdio: 'inherit', env }).status ?? 1
const install = ['install', '--silent', '--no-save', '--prefix', directory, `node@${version}`]
let status = run('npm', install)
if (status === 0) {
  const bin = join(directory, 'node_modules/node/bin')
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }
  status = run(join(bin, 'node'), ['scripts/test-tiers.mjs', ...words], env)
}
rmSync(directory, { recursive: true, force: true })
process.exit(status)
