import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

describe('the documentation', () => {
  it('R-UI-4: has generated pages that are up to date', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/write-docs.mjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
  })

  it.each(pages)('links only to existing files: %s', (page) => {
    const text = read(page)
    const links = [...text.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, to]) => to ?? '')
    const local = links.filter((to) => !/^https?:/.test(to)).map((to) => join(dirname(page), to))
    const files = [...text.matchAll(/`((?:test|src|machines|mocks|scripts|docs)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? '',
    )
    const missing = [...local, ...files].filter((path) => !existsSync(join(root, path)))
    expect(missing.map((path) => relative('.', path))).toEqual([])
  })
})

describe('npm run demo', () => {
  it('R-EVAL-3, R-AUTH-2, R-AUTH-3, R-REG-2, R-REG-5: narrates a year and exits with 0', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/examples/demo.js'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([0, ''])
    const states = [...stdout.matchAll(/^day +\d+ {2}([a-z-]+) /gm)].map(([, state]) => state)
    expect(states.filter((state, i) => state !== states[i - 1])).toEqual([
      'evaluation',
      'authorized',
      'out-of-compliance',
      'authorized',
      'auth-expired',
      'authorized',
      'evaluation',
      'unregistered',
    ])
    expect(stdout).toContain('What happened when')
  })
})
