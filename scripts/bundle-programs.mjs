// Bundles the two programs into dist/bin, so that a command starts in half the time: one file to find, read and
// compile where there were two hundred. What is loaded only when needed, and what is native, stays a package.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { rolldown } from 'rolldown'

const bundled = ['commander', 'kysely', 'xstate', 'zod']
const output = 'dist/bin'

const bundle = await rolldown({
  input: Object.fromEntries(['smart-agent', 'smart-authority'].map((name) => [name, `src/cli/${name}.ts`])),
  platform: 'node',
  external: (id) => /^[@a-z]/.test(id) && !bundled.includes(id.split('/', 1)[0]),
})
await bundle.write({
  dir: output,
  format: 'esm',
  cleanDir: true,
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  sourcemap: true,
})
await bundle.close()

const notices = bundled.map((name) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'))
  return `${name} ${version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`
})
writeFileSync(`${output}/THIRD-PARTY-NOTICES.txt`, notices.join(`\n${'-'.repeat(80)}\n\n`))
for (const name of ['smart-agent', 'smart-authority']) chmodSync(`${output}/${name}.js`, 0o755)
