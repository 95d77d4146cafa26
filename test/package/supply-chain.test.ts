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
  'dependencies' | 'optionalDependencies' | 'allowScripts',
  Record<string, unknown>
>
const locked = Object.entries(packages).filter(([path]) => path !== '')
const shipped = locked.filter(([, { dev, devOptional, peer }]) => !dev && !devOptional && !peer)

/** Licenses that a product may ship; elkjs is taken under the EPL, which asks for no more of a program that only uses it. */
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
/** More than that is for somebody to think about, and to raise here. */
const BUDGET = { named: 40, shipped: 270 }

describe('what the package brings along', () => {
  it('is locked, every part by its digest', () => {
    expect(lockfileVersion).toBe(3)
    expect(
      locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path),
    ).toEqual([])
  })

  it('is under licenses that a product may ship', () => {
    const choices = (license = 'none') => license.replace(/[()]/g, '').split(' OR ')
    expect(
      shipped
        .filter(([, { license }]) => !choices(license).some((one) => LICENSES.includes(one)))
        .map(([path, { license }]) => `${path} ${license ?? 'none'}`),
    ).toEqual([])
  })

  it('runs nothing when it is installed, but what is allowed by name', () => {
    const running = locked
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.split('node_modules/').at(-1) ?? '')
    const shippedRunning = shipped
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.split('node_modules/').at(-1))
    expect(shippedRunning).toEqual(Object.keys(ours.allowScripts))
    // Of the tools only; npm asks before it runs them.
    expect(running.filter((name) => !(name in ours.allowScripts)).sort()).toEqual(['msw'])
  })

  it('is not more than was thought about', () => {
    const named = Object.keys({ ...ours.dependencies, ...ours.optionalDependencies })
    expect(named.length).toBeLessThanOrEqual(BUDGET.named)
    expect(shipped.length).toBeLessThanOrEqual(BUDGET.shipped)
  })
})
