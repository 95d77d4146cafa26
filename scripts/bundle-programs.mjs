// Bundles both programs and their packages into dist/bin. A command then loads a few files instead of hundreds and starts in
// half the time. Native and lazily loaded packages are not bundled.
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rolldown } from 'rolldown'

const external = ['better-sqlite3', 'better-sqlite3-node22', /^@opentelemetry\//, 'elkjs', 'nodemailer', 'pg']
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
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  sourcemap: true,
})
await bundle.close()

// Without the sources of packages, a source map has a fifth of the size.
for (const chunk of chunks) {
  if (!chunk.fileName.endsWith('.map')) continue
  const path = `${output}/${chunk.fileName}`
  const map = JSON.parse(readFileSync(path, 'utf8'))
  map.sourcesContent = map.sourcesContent?.map((text, i) =>
    map.sources[i].includes('node_modules') ? null : text,
  )
  writeFileSync(path, JSON.stringify(map))
}

/** Returns the folder of the package that a bundled module belongs to, or null for the project's own. */
const findPackage = (id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? null

function readNotice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
  const file = readdirSync(folder).find((entry) => /^(licen[sc]e|copying)/i.test(entry))
  const text = file === undefined ? `License: ${license}` : readFileSync(`${folder}/${file}`, 'utf8')
  return `${name} ${version}\n\n${text}`
}

const folders = new Set(chunks.flatMap(({ moduleIds = [] }) => moduleIds).map(findPackage))
const notices = [...folders]
  .filter((folder) => folder !== null && existsSync(`${folder}/package.json`))
  .map(readNotice)
  .sort()
writeFileSync(`${output}/THIRD-PARTY-NOTICES.txt`, notices.join(`\n${'-'.repeat(80)}\n\n`))
for (const name of programs) chmodSync(`${output}/${name}.js`, 0o755)
