// Renders the API reference from the declarations of the package, one page for each entry point.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Application } from 'typedoc'
import { entries } from './entries.mjs'

const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
}

/** Services of an authority. Their classes are not exported, so that they are described as interfaces. */
const SERVICES = [
  'accounts',
  'instances',
  'licenses',
  'orders',
  'reservations',
  'satellites',
  'sync',
  'tokens',
]

/** Longest code block, in lines, and longest cell of a table, in characters. Longer types are cut. */
const MAX_CODE_LINES = 24
const MAX_CELL_LENGTH = 400

/** Writes a source that has the exports of an entry point, and the services of the authority. Returns the path. */
function writeEntry(directory, name) {
  const path = join(directory, `${name === 'index' ? 'agent' : name}.ts`)
  const module = JSON.stringify(resolve('dist/lib', `${name}.js`))
  const lines = [`export * from ${module}`]
  if (name === 'authority')
    lines.push(`import type { Authority } from ${module}`, ...SERVICES.flatMap(describeService))
  writeFileSync(path, lines.join('\n'))
  return path
}

/** Returns the source of an interface with the methods of a service. */
function describeService(name) {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1).replace(/s$/, '')}Service`
  return [
    `type ${type}Class = Authority['${name}']`,
    `/** Service \`authority.${name}\`. */`,
    `export interface ${type} extends ${type}Class {}`,
  ]
}

/** Title of each page: the name that a product imports. */
const toTitle = (name) => (name === 'agent' ? 'smart-licensing-agent' : `smart-licensing-agent/${name}`)

/** Shortens types that are longer than a reader needs, such as that of a state machine or of a table of all errors. */
const shorten = (page) =>
  page
    .replace(/^# (\w+)$/m, (_, name) => `# ${toTitle(name)}`)
    .replace(/^- \[(\w+)\]/gm, (_, name) => `- [${toTitle(name)}]`)
    .replace(/<a id="[^"]*"><\/a> /g, '')
    .replace(/\[([^\]]+)\]\((?:\w+\.md)?#property-[^)]*\)/g, '$1')
    // TypeDoc numbers a class whose constructor has its name, but the page has one such heading.
    .replace(/\]\(((?:\w+\.md)?#[a-z]+)-\d+\)/g, ']($1)')
    .replace('## Modules', 'The exports of each entry point of the package.')
    .replace(
      /^### errorTable\n[\s\S]*?(?=^\*\*\*$|^### )/m,
      '### errorTable\n\nThe table of [all error codes](../errors.md).\n\n',
    )
    .replace(/(?:\s*\| "[A-Z][A-Z_0-9]+"){20,}/g, ' ErrorCode')
    .replace(/(?:\\\| `"[A-Z][A-Z_0-9]+"` ?){20,}/g, '`ErrorCode` ')
    .replace(/^```ts\n([\s\S]*?)^```$/gm, (block, code) => {
      const lines = code.split('\n')
      return lines.length > MAX_CODE_LINES
        ? `\`\`\`ts\n${lines.slice(0, MAX_CODE_LINES).join('\n')}\n// …\n\`\`\``
        : block
    })
    .replace(/^\|.*\|$/gm, (row) =>
      row
        .split(/(?<!\\)\|/)
        .map((cell) => (cell.length > MAX_CELL_LENGTH ? ` ${cell.split(' ')[1]?.slice(0, 60)} … ` : cell))
        .join('|'),
    )

/** Returns the text of each page by its path. */
export async function renderApiReference() {
  const directory = mkdtempSync(resolve('dist/api-reference-'))
  try {
    const files = entries.map(({ name }) => writeEntry(directory, name))
    const tsconfig = join(directory, 'tsconfig.json')
    const typeRoots = [resolve('node_modules/@types')]
    writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { ...compilerOptions, typeRoots }, files }))
    const output = join(directory, 'pages')
    const app = await Application.bootstrapWithPlugins({
      entryPoints: files,
      tsconfig,
      plugin: ['typedoc-plugin-markdown'],
      name: 'API reference',
      readme: 'none',
      disableSources: true,
      excludePrivate: true,
      excludeProtected: true,
      excludeInternal: true,
      excludeExternals: true,
      outputs: [{ name: 'markdown', path: output }],
      router: 'module',
      entryFileName: 'README',
      mergeReadme: false,
      hideBreadcrumbs: true,
      hidePageHeader: true,
      useCodeBlocks: true,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      typeAliasPropertiesFormat: 'table',
      propertyMembersFormat: 'table',
      logLevel: 'Error',
    })
    const project = await app.convert()
    if (project === undefined) throw new Error('TypeDoc cannot read the declarations.')
    await app.generateOutputs(project)
    return Object.fromEntries(
      readdirSync(output, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.md'))
        .sort()
        .map((path) => [`docs/api/${path}`, shorten(readFileSync(join(output, path), 'utf8'))]),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
