import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const ours = JSON.parse(readFileSync('package.json', 'utf8')) as {
  name: string
  version: string
  bin: Record<string, string>
  exports: Record<string, string | { types: string; default: string }>
}

let directory = ''
let project = ''
let packed: { files: { path: string; mode: number }[]; filename: string; unpackedSize: number }
/** Runs a Node program in the empty project. */
const node = async (...words: readonly string[]): Promise<string> =>
  (await run(process.execPath, words, { cwd: project, encoding: 'utf8' })).stdout
const installed = (path: string) => join(project, 'node_modules', ours.name, path)
const program = (name: string) => installed(ours.bin[name] ?? '')

/** Returns the embedding example of the README. */
function readEmbeddingExample(): string {
  const [, code = ''] = /```ts\n(import \{ readFile[\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? []
  return code
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sla-package-'))
  project = join(directory, 'product')
  mkdirSync(project)
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', directory],
    {
      maxBuffer: 64 << 20,
    },
  )
  ;[packed] = JSON.parse(stdout) as [typeof packed]
  writeFileSync(join(project, 'package.json'), '{"name":"product","private":true,"type":"module"}')
  const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', ['install', ...quiet, join(directory, packed.filename), 'msw'], { cwd: project })
  // The native module of the same version is already compiled in this checkout.
  const versionIn = (modules: string) =>
    (JSON.parse(readFileSync(join(modules, 'better-sqlite3/package.json'), 'utf8')) as { version: string })
      .version
  expect(versionIn(join(project, 'node_modules'))).toBe(versionIn('node_modules'))
  cpSync('node_modules/better-sqlite3/build', join(project, 'node_modules/better-sqlite3/build'), {
    recursive: true,
  })
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

describe('the package', () => {
  it('contains only the build, the documentation and deployment files', () => {
    const paths = packed.files.map(({ path }) => path)
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
        /(^|\/)(test|golden|bench|node_modules)\/|\.test\.|\.(pem|key|db|sqlite)$|\.env/.test(path),
      ),
    ).toEqual([])
    const promised = Object.values(ours.exports).flatMap((one) =>
      typeof one === 'string' ? [one] : [one.types, one.default],
    )
    for (const path of [...promised, ...Object.values(ours.bin)])
      expect(paths).toContain(path.replace('./', ''))
    expect(packed.unpackedSize).toBeLessThan(30 << 20)
  })

  it('contains no path of the build machine', () => {
    const here = process.cwd()
    const naming = packed.files
      .map(({ path }) => path)
      .filter((path) => /\.(js|ts|map|json|md|css|html|svg|service|ya?ml)$/.test(path))
      .filter((path) => readFileSync(installed(path), 'utf8').includes(here))
    expect(naming).toEqual([])
  })

  it('runs the embedding example of the README in an empty project', async () => {
    const authority = join(directory, 'authority')
    await node(
      program('smart-authority'),
      '--data-dir',
      authority,
      'init',
      '--account',
      'acme.example',
      '--accept-agreement',
    )
    const root = await node(program('smart-authority'), '--data-dir', authority, 'trust', 'export')
    writeFileSync(join(project, 'root.pem'), root)
    const code = readEmbeddingExample()
    expect(code.trim().split('\n').length).toBeLessThanOrEqual(14)
    writeFileSync(
      join(project, 'embedded.js'),
      `${code.replace('/var/lib/my-product/licensing', join(directory, 'licensing'))}
console.log(JSON.stringify(agent.status()))
await agent.close()`,
    )
    const output = (await node('embedded.js')).trim().split('\n').at(-1) ?? ''
    expect(JSON.parse(output)).toMatchObject({
      state: 'evaluation',
      entitlements: [{ tag: 'HOST', count: 12 }],
    })
  })

  it('reports a missing native module with a remedy', async () => {
    const [major = 0] = process.versions.node.split('.').map(Number)
    const [name, native] = major >= 22 ? ['better-sqlite3-node22', 'prebuilds'] : ['better-sqlite3', 'build']
    // Not built, and omitted by npm after a failed build.
    for (const path of [join('node_modules', name, native), join('node_modules', name)]) {
      const away = join(directory, 'away')
      renameSync(join(project, path), away)
      try {
        for (const words of [
          ['smart-agent', 'init', '--pid', 'CONF-SERVER', '--serial', '0001', '--json'],
          ['smart-authority', 'init', '--account', 'acme.example', '--accept-agreement', '--json'],
        ]) {
          const [which = '', ...rest] = words
          const failed = node(program(which), '--data-dir', join(directory, 'nowhere'), ...rest)
          const { stderr } = await failed.then(
            () => ({ stderr: 'it went well' }),
            (error: unknown) => error as { stderr: string },
          )
          expect(JSON.parse(stderr)).toMatchObject({
            error: {
              code: 'STORE_MODULE_ABSENT',
              message: expect.stringContaining('better-sqlite3') as unknown,
              remedy: expect.stringContaining('npm rebuild better-sqlite3') as unknown,
            },
          })
        }
      } finally {
        renameSync(away, join(project, path))
      }
    }
  })

  it('has the documented exports at each entry point', async () => {
    const entrances = Object.keys(ours.exports)
      .filter((path) => !path.endsWith('.json'))
      .map((path) => path.replace('.', ours.name))
    writeFileSync(
      join(project, 'entrances.js'),
      `for (const name of ${JSON.stringify(entrances)}) console.log(name, Object.keys(await import(name)).length)`,
    )
    const output = await node('entrances.js')
    for (const name of entrances) expect(output).toMatch(new RegExp(`^${name} [1-9]`, 'm'))
  })

  it.for(['nodenext', 'bundler'])(
    'has types that compile in strict mode with module resolution %s',
    async (resolution) => {
      const types = dirname(dirname(join(process.cwd(), 'node_modules/@types/node/package.json')))
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({
          compilerOptions: {
            strict: true,
            noEmit: true,
            target: 'es2023',
            module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
            moduleResolution: resolution,
            skipLibCheck: true,
            typeRoots: [types],
            types: ['node'],
          },
          files: ['typed.ts'],
        }),
      )
      writeFileSync(
        join(project, 'typed.ts'),
        `import { SmartAgent, type Status } from '${ours.name}'
import { initialTransition, transition } from '${ours.name}/machines'
import { Authority } from '${ours.name}/authority'
import { VirtualClock } from '${ours.name}/testing'
export const stateOf = ({ state }: Status): string => state
export const { snapshot } = transition(initialTransition(0).snapshot, { type: 'tick', at: 1, used: 1 })
export const clock = new VirtualClock()
// @ts-expect-error -- a state is not a number
export const wrong: number = stateOf((await SmartAgent.open({} as never)).status())
export const opened = Authority.open({ dataDir: 'x', clock })
`,
      )
      await node(join(process.cwd(), 'node_modules/typescript/bin/tsc'), '-p', project).catch(
        (failed: unknown) => {
          expect.fail((failed as { stdout: string }).stdout)
        },
      )
    },
  )

  it('installs two programs that print their version', async () => {
    for (const name of Object.keys(ours.bin)) {
      expect(await node(program(name), '--version')).toBe(`${ours.version}\n`)
      expect(await node(program(name), '--help')).toMatch(new RegExp(`^Usage: ${name}`))
    }
  })
})
