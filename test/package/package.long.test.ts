import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeAdministration } from './administered-product.ts'
import { describeEmbedding } from './embedded-product.ts'
import { describeOwnTags } from './own-tags.ts'
import { embedder, manifest, PackedProduct, RUN_EMBEDDER } from './packed-product.ts'

const product = new PackedProduct()
const node = (...words: readonly string[]) => product.run(words)
let installed = { packages: 0, bytes: 0 }

/** Returns the embedding example of the README. */
function readEmbeddingExample(): string {
  const [, code = ''] = /```ts\n(import \{ readFile[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? []
  return code
}

/** Names of the entry points, as a product imports them. */
const entryPoints = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => path.replace('.', manifest.name))

beforeAll(async () => {
  await product.install([])
  installed = product.measure()
  await product.npmInstall('msw@2', 'esbuild@0.28.2', '@types/node@22', 'pino', 'fastify')
})
afterAll(() => product.remove())

describe('the package', () => {
  it('contains only the build, the documentation and deployment files', () => {
    const paths = product.packed.files.map(({ path }) => path)
    expect([...new Set(paths.map((path) => path.split('/').slice(0, 2).join('/')))].sort()).toEqual(
      expect.arrayContaining(['dist/THIRD-PARTY-NOTICES.txt', 'dist/bin', 'dist/lib', 'dist/pages']),
    )
    expect([...new Set(paths.map((path) => path.split('/')[0]))].sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'deploy',
      'dist',
      'docs',
      'package.json',
    ])
    expect(
      paths.filter((path) =>
        /(^|\/)(test|golden|bench|node_modules|screenshots|src|tools|examples)\/|\.test\.|\.(pem|key|db|sqlite|map|png)$|\.env|mutation/.test(
          path,
        ),
      ),
    ).toEqual([])
    const promised = Object.values(manifest.exports).flatMap((one) =>
      typeof one === 'string' ? [one] : [one.types, one.default],
    )
    for (const path of [...promised, ...Object.values(manifest.bin)])
      expect(paths).toContain(path.replace('./', ''))
  })

  it('installs at most 10 direct dependencies, 40 packages and 50 MB (R-EMB-7)', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(10)
    expect(installed.packages).toBeLessThanOrEqual(40)
    expect(installed.bytes).toBeLessThanOrEqual(50_000_000)
  })

  it('contains the license of each bundled package', () => {
    const notices = readFileSync(product.installed('dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
    for (const name of ['axios', 'fastify', 'kysely', 'pg', '@peculiar/x509'])
      expect(notices).toMatch(new RegExp(`^${name} \\d`, 'm'))
  })

  it('contains no path of the build machine', () => {
    const here = process.cwd()
    const naming = product.packed.files
      .map(({ path }) => path)
      .filter((path) => /\.(js|ts|json|md|css|html|svg|service|ya?ml)$/.test(path))
      .filter((path) => readFileSync(product.installed(path), 'utf8').includes(here))
    expect(naming).toEqual([])
  })

  it('cites no file in its declarations that is not part of the package', () => {
    const declarations = product.packed.files.filter(({ path }) => path.endsWith('.d.ts'))
    expect(declarations.length).toBeGreaterThan(entryPoints.length - 1)
    for (const { path } of declarations)
      expect(readFileSync(product.installed(path), 'utf8')).not.toMatch(
        /\b(src|test|machines|mocks)\/|\w\.ts\b/,
      )
  })

  it('runs the embedding example of the README in an empty project', async () => {
    const authority = join(product.directory, 'vendor')
    const init = ['init', '--account', 'acme.example', '--accept-agreement']
    await node(product.program('smart-authority'), '--data-dir', authority, ...init)
    const trust = ['--data-dir', authority, 'trust', 'export']
    product.write('root.pem', await node(product.program('smart-authority'), ...trust))
    const code = readEmbeddingExample()
    expect(code.trim().split('\n').length).toBeLessThanOrEqual(14)
    product.write(
      'embedded.js',
      `${code.replace('/var/lib/my-product/licensing', join(product.directory, 'licensing'))}
console.log(JSON.stringify(agent.status()))
await agent.close()`,
    )
    const output = (await node('embedded.js')).trim().split('\n').at(-1) ?? ''
    expect(JSON.parse(output)).toMatchObject({
      state: 'evaluation',
      entitlements: [{ tag: 'HOST', count: 12 }],
    })
  })

  it('shares classes between its entry points', async () => {
    product.write(
      'classes.js',
      `import { LicensingError } from '${manifest.name}'
import { Authority } from '${manifest.name}/authority'
const failed = await Authority.open({ dataDir: '/nonexistent/authority' }).catch((error) => error)
console.log(failed instanceof LicensingError, failed.code)`,
    )
    expect(await node('classes.js')).toBe('true DATA_DIR_MISSING\n')
  })

  it('has the documented exports at each entry point, and needs no native module to import them', async () => {
    product.write(
      'entry-points.js',
      `for (const name of ${JSON.stringify(entryPoints)}) console.log(name, Object.keys(await import(name)).length)`,
    )
    const native = join(product.project, 'node_modules/better-sqlite3')
    const away = join(product.directory, 'away')
    renameSync(native, away)
    try {
      const output = await node('entry-points.js')
      for (const name of entryPoints) expect(output).toMatch(new RegExp(`^${name} [1-9]`, 'm'))
    } finally {
      renameSync(away, native)
    }
  })

  it('reports a missing native module with a remedy', async () => {
    const module = 'node_modules/better-sqlite3'
    // Without the binary, and without the module.
    for (const path of [join(module, 'prebuilds'), module]) {
      const away = join(product.directory, 'away')
      renameSync(join(product.project, path), away)
      try {
        for (const words of [
          ['smart-agent', 'init', '--pid', 'CONF-SERVER', '--serial', '0001', '--json'],
          ['smart-authority', 'init', '--account', 'acme.example', '--accept-agreement', '--json'],
        ]) {
          const [which = '', ...rest] = words
          const dataDir = join(product.directory, 'nowhere')
          const failed = node(product.program(which), '--data-dir', dataDir, ...rest)
          const { stderr } = await failed.then(
            () => ({ stderr: 'it went well' }),
            (error: unknown) => error as { stderr: string },
          )
          expect(JSON.parse(stderr)).toMatchObject({
            error: {
              code: 'STORE_MODULE_ABSENT',
              message: expect.stringContaining('better-sqlite3') as unknown,
              remedy: expect.stringContaining('prebuilds') as unknown,
            },
          })
        }
      } finally {
        renameSync(away, join(product.project, path))
      }
    }
  })

  it('can be imported on Node 20, and refuses to open with PLATFORM_UNSUPPORTED (R-EMB-7)', async () => {
    product.write('old-node.js', `${embedder()}${RUN_EMBEDDER.trim()}.catch(({ code }) => console.log(code))`)
    product.write(
      'pretend-node-20.mjs',
      "Object.defineProperty(process.versions, 'node', { value: '20.20.0' })",
    )
    const input = { EMBEDDER_INPUT: JSON.stringify(await product.createInput()) }
    expect(await product.run(['--import', './pretend-node-20.mjs', 'old-node.js'], input)).toBe(
      'PLATFORM_UNSUPPORTED\n',
    )
    // The installed Node is newer, so the program above tests the check, and this one that Node 20 loads nothing it cannot.
    if (process.versions.node.startsWith('20.'))
      expect(await product.run(['old-node.js'], input, process.execPath)).toBe('PLATFORM_UNSUPPORTED\n')
  })

  it.for(['node16', 'nodenext', 'bundler'])(
    'has types that compile in strict mode without skipLibCheck, with module resolution %s',
    async (resolution) => {
      const compilerOptions = {
        strict: true,
        noEmit: true,
        target: 'es2023',
        module: resolution === 'bundler' ? 'esnext' : resolution,
        moduleResolution: resolution,
        skipLibCheck: false,
        types: ['node'],
      }
      product.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['typed.ts', 'common.cts'] }))
      writeFileSync(
        join(product.project, 'typed.ts'),
        `import { defineProfile, SmartAgent, type Status } from '${manifest.name}'
import { conferencing } from '${manifest.name}/conferencing'
import { initialTransition, transition } from '${manifest.name}/machines'
import { createMockAuthority } from '${manifest.name}/mocks'
import { Authority } from '${manifest.name}/authority'
import { VirtualClock } from '${manifest.name}/testing'
export const stateOf = ({ state }: Status): string => state
export const { snapshot } = transition(initialTransition(0).snapshot, { type: 'clock.tick', at: 1, used: 1 })
export const clock = new VirtualClock()
// @ts-expect-error -- a state is not a number
export const wrong: number = stateOf((await SmartAgent.open({} as never)).status())
export const opened = Authority.open({ dataDir: 'x', clock })
const router = await SmartAgent.open({ dataDir: 'x', profile: defineProfile({ name: 'router', tags: [{ tag: 'TUNNEL' }] }) })
router.setUsage('TUNNEL', 1)
// @ts-expect-error -- the profile has no such tag
router.setUsage('TUNNELS', 1)
const decision = router.allows('tunnel-open')
export const reason: string = decision.allowed ? '' : decision.reason
export const config: string = router.machine.id
export const others = [conferencing(), createMockAuthority({ clock })]
`,
      )
      // Under node16, a CommonJS file cannot import a module with `import`.
      product.write(
        'common.cts',
        resolution === 'node16'
          ? `export const opened = import('${manifest.name}').then(({ SmartAgent }) => SmartAgent.exists('x'))\n`
          : `import { SmartAgent } from '${manifest.name}'\nexport const exists: boolean = SmartAgent.exists('x')\n`,
      )
      // The native compiler needs a tenth of the time. One resolution is compiled by the other one, which most projects use.
      const typescript = resolution === 'nodenext' ? 'typescript' : 'typescript-7'
      const compiler = join(process.cwd(), 'node_modules', typescript, 'bin/tsc')
      await node(compiler, '-p', product.project).catch((failed: unknown) => {
        expect.fail((failed as { stdout: string }).stdout)
      })
    },
  )

  it('installs two programs that print their version', async () => {
    for (const name of Object.keys(manifest.bin)) {
      expect(await node(product.program(name), '--version')).toBe(`${manifest.version}\n`)
      expect(await node(product.program(name), '--help')).toMatch(new RegExp(`^Usage: ${name}`))
    }
  })
})

describe('an embedded agent is authorized', () => {
  it('as a module, and as a CommonJS program', async () => {
    product.write('program.js', embedder() + RUN_EMBEDDER)
    expect(await product.embed('program.js')).toBe('authorized\n')
    const common = embedder().replace(/import (.*) from (.*)/, 'const $1 = require($2)')
    product.write('program.cjs', common + RUN_EMBEDDER)
    expect(await product.embed('program.cjs')).toBe('authorized\n')
  })

  it('in a test of node:test', async () => {
    product.write(
      'agent.test.js',
      `import { test } from 'node:test'\n${embedder()}test('authorizes', () => ${RUN_EMBEDDER.trim()})\n`,
    )
    expect(await product.embed('--test', 'agent.test.js')).toMatch(/pass 1$/m)
  })

  it.for(['esm', 'cjs'])('in a bundle of esbuild with output %s', async (format) => {
    product.write('entry.js', embedder() + RUN_EMBEDDER)
    const file = `bundle-esbuild.${format === 'esm' ? 'mjs' : 'cjs'}`
    const settings = ['--bundle', '--platform=node', '--external:better-sqlite3', '--log-level=error']
    await product.runTool('esbuild', 'entry.js', `--format=${format}`, `--outfile=${file}`, ...settings)
    expect(await product.embed(file)).toBe('authorized\n')
  })
})

describeOwnTags(product)
describeAdministration(product)
describeEmbedding(product)
