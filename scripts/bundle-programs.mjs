// Bundles the programs and their packages into dist/bin. A command then loads a few files instead of hundreds and starts in
// half the time. Only SQLite stays a package, because of its native part.
import { chmodSync } from 'node:fs'
import { rolldown } from 'rolldown'
import { recordPackages } from './third-party-notices.mjs'

const external = ['better-sqlite3', 'better-sqlite3-node20', 'pg-native', 'msw']
const programs = {
  'smart-agent': 'src/cli/smart-agent.ts',
  'smart-authority': 'src/cli/smart-authority.ts',
  'smart-licensing-lab': 'mocks/lab/smart-licensing-lab.ts',
}
const output = 'dist/bin'

const bundle = await rolldown({
  input: programs,
  platform: 'node',
  external,
})
const { output: chunks } = await bundle.write({
  dir: output,
  format: 'esm',
  cleanDir: true,
  // With the names of functions, so that a stack trace can be read.
  minify: { mangle: { toplevel: true, keepNames: true } },
  comments: false,
})
await bundle.close()

recordPackages('programs', chunks)
for (const name of Object.keys(programs)) chmodSync(`${output}/${name}.js`, 0o755)
