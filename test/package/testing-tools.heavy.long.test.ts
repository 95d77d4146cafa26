import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { itInRelease, selectScale } from '../support/scale.ts'
import { PackedProduct } from './packed-product.ts'
import { FAILING_TEST, productTests } from './product-tests.ts'

/** Result of one test, as vitest and Jest write it. */
interface TestResult {
  readonly title: string
  readonly status: string
  readonly failureMessages: readonly string[]
}

const product = new PackedProduct()
const compiler = join(process.cwd(), 'node_modules/typescript-7/bin/tsc')

beforeAll(async () => {
  // Installing Jest takes as long as everything else.
  await product.install(['vitest@4', 'msw@2', ...selectScale([], ['jest@30', '@types/node@22'])])
  for (const [path, text] of Object.entries(productTests)) product.write(path, text)
  // A busy machine needs longer. The tests of silences have their own limit.
  product.write('vitest.config.js', 'export default { test: { testTimeout: 60_000 } }')
  const jest = { transform: {}, testMatch: ['**/*.jest.js'], testTimeout: 60_000 }
  product.write('jest.config.json', JSON.stringify(jest))
})
afterAll(() => product.remove())

/** Runs a test runner, of whose tests one fails. Returns what it printed. */
async function runFailing(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const failed = await product.run(words, { NO_COLOR: '1', ...env }).then(
    () => ({ stdout: 'No test has failed.', stderr: '' }),
    (error: unknown) => error as { stdout: string; stderr: string },
  )
  return failed.stdout + failed.stderr
}

const read = (path: string) => readFileSync(join(product.project, path), 'utf8')

/** Reads the results that vitest or Jest wrote. */
const readResults = (path: string): TestResult[] =>
  (JSON.parse(read(path)) as { testResults: { assertionResults: TestResult[] }[] }).testResults.flatMap(
    ({ assertionResults }) => assertionResults,
  )

/** Expects that all tests passed, except the one that shows its timeline. */
function expectOnlyOneFailure(results: readonly TestResult[], count: number, output: string): void {
  const failures = results.filter(({ status }) => status !== 'passed')
  expect(
    failures.filter(({ title }) => title !== FAILING_TEST),
    output,
  ).toEqual([])
  expect(failures).toHaveLength(1)
  expect(results.length - failures.length, output).toBe(count)
  expect(output).toContain('Expected the device to be in auth-expired, but it is in authorized.')
  expect(output).toMatch(/Z {2}request {2}register → 200$/m)
  expect(output).toMatch(/Z {2}state {4}evaluation → registered$/m)
}

describe('tests of a product that installed the package pass (R-LAB-1, R-LAB-2, R-LAB-3)', () => {
  it('under vitest 4', async () => {
    const words = ['--reporter=default', '--reporter=json', '--outputFile.json=vitest.json']
    const output = await runFailing(['node_modules/vitest/vitest.mjs', 'run', ...words])
    expectOnlyOneFailure(readResults('vitest.json'), 16, output)
    expect(output).not.toContain('Unhandled')
  })

  itInRelease('under Jest 30 as modules', async () => {
    const words = [
      'node_modules/jest/bin/jest.js',
      '--config=jest.config.json',
      '--json',
      '--outputFile=jest.json',
    ]
    const output = await runFailing(words, { NODE_OPTIONS: '--experimental-vm-modules' })
    expectOnlyOneFailure(readResults('jest.json'), 16, output)
  })

  it('under node --test, in CommonJS as well', async () => {
    const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout']
    const own = ['--test-reporter=./reporter.js', '--test-reporter-destination=node.jsonl']
    const output = await runFailing(['--test', ...reporters, ...own, 'lab.node.js', 'common.cjs'])
    const lines = read('node.jsonl').trimEnd().split('\n')
    const results = lines.map((line) => JSON.parse(line) as TestResult)
    expectOnlyOneFailure(results, 16, output)
  })
})

itInRelease(
  'TypeScript refuses unknown faults, states, codes and tags, with matchers of vitest and Jest (R-LAB-1)',
  async () => {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      skipLibCheck: true,
      types: ['node'],
    }
    product.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['typed.ts'] }))
    await product.run([compiler, '-p', product.project]).catch((failed: unknown) => {
      expect.fail((failed as { stdout: string }).stdout)
    })
  },
)

it('importing a virtual clock loads 40 kB of the package, and no other package (R-LAB-1)', () => {
  const loaded = new Map<string, string>()
  const load = (path: string): void => {
    if (loaded.has(path)) return
    const code = readFileSync(path, 'utf8')
    loaded.set(path, code)
    for (const [, name = ''] of code.matchAll(/^(?:import|export)\b[^'"]*["']([^"']+)["'];?$/gm)) {
      if (name.startsWith('node:')) continue
      expect(name).toMatch(/^\.\.?\//)
      load(join(dirname(path), name))
    }
  }
  load(product.installed('dist/lib/testing.js'))
  const sizes = [...loaded.values()].map((code) => code.length)
  expect(sizes.length).toBeGreaterThan(1)
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(40_000)
})
