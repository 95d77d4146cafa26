// Bundles both programs and their packages into dist/bin. A command then loads a few files instead of hundreds and starts in
// half the time. Only SQLite stays a package, because of its native part.
import { chmodSync } from 'node:fs'
import { rolldown } from 'rolldown'
import { recordPackages } from './third-party-notices.mjs'

const external = ['better-sqlite3', 'better-sqlite3-node20', 'pg-native']
const programs = ['smart-agent', 'smart-authority']
const output = 'dist/bin'

const bundle = await rolldown({
  input: Object.fromEntries(programs.map((name) => [name, `src/cli/${name}.ts`])),
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
for (const name of programs) chmodSync(`${output}/${name}.js`, 0o755)
