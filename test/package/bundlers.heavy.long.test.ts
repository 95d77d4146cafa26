import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { createSampledTests, selectScale } from '../support/scale.ts'
import { embedder, PackedProduct, RUN_EMBEDDER } from './packed-product.ts'

const { describe, it } = createSampledTests(9)

// The long tier runs only the first test, which needs no further tools. `test/package/package.long.test.ts` covers esbuild.
const TOOLS = ['rolldown@1.2.19', 'esbuild@0.28.2']
const HEAVY_TOOLS = ['webpack@5.112.2', 'webpack-cli@7', '@vercel/ncc@0.45.0', 'jest@30.5.2']
/** Binary that is loaded on this machine. */
const BINARY = `linux-${process.arch}`

for (const version of selectScale([22], [22, 24]))
  describe(`on Node ${version}, an embedded agent is authorized`, () => {
    const product = new PackedProduct()
    beforeAll(async () => {
      await product.install([...TOOLS, ...selectScale([], HEAVY_TOOLS)], version)
      product.write('entry.js', embedder() + RUN_EMBEDDER)
    })
    afterAll(() => product.remove())

    it('in a bundle of rolldown with CommonJS output', async () => {
      const settings = ['--platform', 'node', '--external', 'better-sqlite3', '--format', 'cjs']
      await product.runTool('rolldown', 'entry.js', ...settings, '--dir', 'rolldown-cjs')
      product.write('rolldown-cjs/package.json', '{"type":"commonjs"}')
      expect(await product.embed('rolldown-cjs/entry.js')).toBe('authorized\n')
    })

    it('in a bundle of rolldown with ESM output', async () => {
      const settings = ['--platform', 'node', '--external', 'better-sqlite3', '--format', 'esm']
      await product.runTool('rolldown', 'entry.js', ...settings, '--dir', 'rolldown-esm')
      expect(await product.embed('rolldown-esm/entry.js')).toBe('authorized\n')
    })

    it('in a bundle of esbuild that contains SQLite', async () => {
      product.write(
        'whole.js',
        `import Database from 'better-sqlite3/${BINARY}'\n${embedder('sqlite: { Database },')}${RUN_EMBEDDER}`,
      )
      const output = join(product.directory, 'whole')
      const settings = [
        '--bundle',
        '--platform=node',
        '--format=cjs',
        '--loader:.node=copy',
        '--log-level=error',
      ]
      await product.runTool(
        'esbuild',
        'whole.js',
        ...settings,
        `--outdir=${output}`,
        '--out-extension:.js=.cjs',
      )
      expect(await product.embed(join(output, 'whole.cjs'))).toBe('authorized\n')
    })

    it('with a native part given by its path', async () => {
      const path = join(product.project, 'node_modules/better-sqlite3/prebuilds', `${BINARY}.node`)
      product.write(
        'native.js',
        embedder(`sqlite: { nativeBinding: ${JSON.stringify(path)} },`) + RUN_EMBEDDER,
      )
      expect(await product.embed('native.js')).toBe('authorized\n')
    })

    it('in a bundle of webpack with CommonJS output', async () => {
      product.write('webpack-cjs.mjs', webpackConfig({ filename: 'app.cjs', chunkFilename: '[id].cjs' }))
      await product.runTool('webpack-cli', '--config', 'webpack-cjs.mjs')
      expect(await product.embed('webpack/app.cjs')).toBe('authorized\n')
    })

    it('in a bundle of webpack with ESM output', async () => {
      const esm = { module: true, chunkFormat: 'module', library: { type: 'module' } }
      product.write(
        'webpack-esm.mjs',
        webpackConfig({ filename: 'app.mjs', chunkFilename: '[id].mjs', ...esm }, { outputModule: true }),
      )
      await product.runTool('webpack-cli', '--config', 'webpack-esm.mjs')
      expect(await product.embed('webpack/app.mjs')).toBe('authorized\n')
    })

    it('in a bundle of ncc, which contains SQLite', async () => {
      product.write('ncc/package.json', '{"type":"commonjs"}')
      const common = embedder()
        .replace(/import (.*) from (.*)/, '')
        .replace('const agent', "const { SmartAgent } = await import('smart-licensing-agent')\n  const agent")
      product.write('ncc/entry.js', common + RUN_EMBEDDER)
      const output = join(product.directory, 'ncc')
      await product.runTool('@vercel/ncc', 'build', 'ncc/entry.js', '--out', output)
      writeFileSync(join(output, 'package.json'), '{"type":"commonjs"}')
      expect(await product.embed(join(output, 'index.js'))).toBe('authorized\n')
    })

    it('in a test of Jest', async () => {
      product.write('jest.config.json', '{"testMatch":["**/*.jest.mjs"],"transform":{}}')
      product.write('agent.jest.mjs', `${embedder()}test('authorizes', () => ${RUN_EMBEDDER.trim()})\n`)
      await product.embed('--experimental-vm-modules', 'node_modules/jest/bin/jest.js')
    })
  })

function webpackConfig(output: object, experiments: object = {}): string {
  const config = {
    mode: 'production',
    target: 'node22',
    entry: './entry.js',
    externals: { 'better-sqlite3': 'node-commonjs better-sqlite3' },
    experiments,
  }
  return `export default { ...${JSON.stringify(config)},
  output: { path: new URL('./webpack', import.meta.url).pathname, ...${JSON.stringify(output)} } }`
}
