// Lists the packages that the build bundled, with their licenses. The consoles in dist/pages have lists of their own.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Names of bundled packages, one file for each part of the build. */
const PARTS = 'dist/.bundled'

/** Returns the folder of the package that a bundled module belongs to, or null for the project's own. */
const findPackage = (id) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? null

/** Records the packages in the output of one part of the build. */
export function recordPackages(part, chunks) {
  const folders = chunks
    .flatMap(({ moduleIds = [] }) => moduleIds)
    .map(findPackage)
    .filter((folder) => folder !== null && existsSync(`${folder}/package.json`))
  mkdirSync(PARTS, { recursive: true })
  writeFileSync(`${PARTS}/${part}.json`, JSON.stringify([...new Set(folders)]))
}

function readNotice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
  const files = readdirSync(folder).filter((entry) => /^(licen[sc]e|copying|notice)/i.test(entry))
  const texts = files.map((file) => readFileSync(`${folder}/${file}`, 'utf8').trim())
  return { name: `${name} ${version}`, text: texts.length === 0 ? `License: ${license}` : texts.join('\n\n') }
}

/** Writes the licenses of all recorded packages. Packages with the same text share it. */
export function writeNotices() {
  const parts = readdirSync(PARTS).map((file) => JSON.parse(readFileSync(`${PARTS}/${file}`, 'utf8')))
  const namesByText = new Map()
  for (const folder of new Set(parts.flat())) {
    const { name, text } = readNotice(folder)
    namesByText.set(text, [...new Set([...(namesByText.get(text) ?? []), name])].sort())
  }
  const notices = [...namesByText].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`).sort()
  writeFileSync('dist/THIRD-PARTY-NOTICES.txt', notices.join(`\n${'-'.repeat(80)}\n\n`))
  rmSync(PARTS, { recursive: true })
}
