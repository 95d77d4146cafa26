import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface Locked {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly peer?: boolean
  readonly hasInstallScript?: boolean
}
const { packages, lockfileVersion } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, Locked>
  lockfileVersion: number
}
const ours = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
  'dependencies' | 'devDependencies' | 'allowScripts',
  Record<string, unknown>
>
const locked = Object.entries(packages).filter(([path]) => path !== '')
const shipped = locked.filter(([, { dev, devOptional, peer }]) => !dev && !devOptional && !peer)

/** Licenses that a product may ship. elkjs is bundled under the EPL, which has no further conditions for unmodified use. */
const LICENSES = [
  'MIT',
  'MIT-0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'EPL-2.0',
  'Unlicense',
]
/** Limit of the number of packages that an embedding product installs. */
const BUDGET = { named: 10, shipped: 40 }

describe('the set of installed packages', () => {
  it('is locked with a digest for each package', () => {
    expect(lockfileVersion).toBe(3)
    expect(
      locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path),
    ).toEqual([])
  })

  it('has only licenses that a product may ship', () => {
    const choices = (license = 'none') => license.replace(/[()]/g, '').split(' OR ')
    expect(
      shipped
        .filter(([, { license }]) => !choices(license).some((one) => LICENSES.includes(one)))
        .map(([path, { license }]) => `${path} ${license ?? 'none'}`),
    ).toEqual([])
  })

  it('runs no install script, neither in a product nor in a checkout', () => {
    const nameOf = (path: string) => path.split('node_modules/').at(-1) ?? ''
    const running = ([, { hasInstallScript }]: [string, Locked]) => hasInstallScript === true
    expect(shipped.filter(running)).toEqual([])
    // The script of MSW runs only after approval. `scripts/compile-sqlite.mjs` compiles SQLite, and only on Node 20.
    expect(ours.allowScripts).toEqual({ 'better-sqlite3': false })
    expect(locked.filter(running).map(([path]) => nameOf(path))).toEqual(['better-sqlite3-node20', 'msw'])
  })

  it('does not exceed its limit', () => {
    const named = Object.keys(ours.dependencies)
    expect(named.length).toBeLessThanOrEqual(BUDGET.named)
    expect(shipped.length).toBeLessThanOrEqual(BUDGET.shipped)
  })
})
