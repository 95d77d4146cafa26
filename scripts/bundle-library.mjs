// Bundles the entry points of the package into dist/lib, in one build, so that entry points share each module and each class.
// The packages of `dependencies` stay imports, and everything else is bundled: installing the package installs what `.` loads.
import { readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { rolldown } from 'rolldown'
import { esmExternalRequirePlugin } from 'rolldown/plugins'
import { entries } from './entries.mjs'
import { minify } from 'rolldown/utils'
import { recordPackages } from './third-party-notices.mjs'

const { dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const packages = Object.keys({ ...dependencies, ...peerDependencies })
/** Name of the chunks that contain only packages. */
const PACKAGES = 'packages'

const external = packages.map((name) => new RegExp(`^${name}(/|$)`))
const builtins = builtinModules.flatMap((name) => [name, `node:${name}`])

/** Optional accelerators of packages, which catch the error when they are absent. */
const absent = ['bufferutil', 'utf-8-validate']
const absentPattern = new RegExp(`^(${absent.join('|')})$`)

/**
 * Parts that the package does not need: SQLite for a checkout on Node 20, a native client that pg may use, accelerators, and
 * the address of the program that node-cron starts for tasks in files.
 */
const omitted = {
  name: 'omitted-modules',
  resolveId: {
    filter: { id: [/^pg-native$/, absentPattern] },
    handler: (id) => ({ id: `\0${id}` }),
  },
  load: {
    filter: { id: [/^\0/, /\/src\/storage\/sqlite-node20\.ts$/] },
    handler: (id) => {
      if (absent.includes(id.slice(1))) return { code: "throw new Error('absent')", moduleType: 'js' }
      if (id === '\0pg-native') return { code: 'export {}', moduleType: 'js' }
      if (id.startsWith('\0')) return null
      return { code: 'export const loadForNode20 = () => null', moduleType: 'js' }
    },
  },
  transform: {
    filter: { id: /\/node_modules\/node-cron\// },
    handler: (code) => code.replaceAll('import.meta.url', "'file:///'"),
  },
}

/** Shortens the code of packages, but not the project's own: a stack trace shows a readable line. */
const shortened = {
  name: 'shortened-packages',
  async generateBundle(_, files) {
    const chunks = Object.values(files).filter((file) => file.type === 'chunk')
    for (const chunk of chunks.filter(({ name }) => name.startsWith(PACKAGES))) {
      const mangle = { toplevel: true, keepNames: true }
      chunk.code = (await minify(chunk.fileName, chunk.code, { module: true, mangle })).code
    }
  },
}

const bundle = await rolldown({
  input: Object.fromEntries(entries.map(({ name, source }) => [name, source])),
  platform: 'node',
  external,
  // Without these, a module would need `require`, which the CommonJS output of other bundlers cannot create.
  transform: { define: { 'require.main': 'undefined', 'require.cache': '({})' } },
  // Bundled CommonJS packages import Node's modules. With `require`, a product's bundler could not bundle them again.
  plugins: [omitted, esmExternalRequirePlugin({ external: builtins }), shortened],
})
const { output } = await bundle.write({
  dir: 'dist/lib',
  format: 'esm',
  comments: { annotation: true, jsdoc: false, legal: false },
  codeSplitting: { groups: [{ name: PACKAGES, test: /node_modules/, entriesAware: true }] },
  chunkFileNames: ({ name }) => `chunks/${name.startsWith(PACKAGES) ? PACKAGES : '[name]'}-[hash].js`,
})
await bundle.close()
recordPackages('library', output)
