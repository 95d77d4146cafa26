import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whatIf, type WhatIfOptions } from '../../machines/index.ts'
import { toWhatIfTest } from '../../src/inspection/what-if-test.ts'
import { createTest } from '../../src/web/inspector/time-travel/create-test.ts'
import { createInspectedYear, NOW } from '../support/inspected-year.ts'

/** Runs the tests that the inspector saves, as a person would: with vitest, against the machines of the package. */
const root = resolve(import.meta.dirname, '../..')
const year = createInspectedYear()
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'saved-tests-'))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const alias = { 'smart-licensing-agent/machines': join(root, 'machines/index.ts') }
  writeFileSync(
    join(directory, 'vitest.config.mjs'),
    `export default { resolve: { alias: ${JSON.stringify(alias)} }, test: { include: ['*.test.ts'] } }`,
  )
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

function runVitest(files: Readonly<Record<string, string>>): { passed: boolean; output: string } {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const program = join(root, 'node_modules/vitest/vitest.mjs')
  const names = Object.keys(files)
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, 'run', '--no-color', '--root', directory, ...names],
    { encoding: 'utf8', cwd: directory, env: { ...process.env, VITEST: undefined, NODE_OPTIONS: '' } },
  )
  return { passed: status === 0, output: stdout + stderr }
}

describe('a saved run', () => {
  const expired = year.stateChanges().changes.find(({ to }) => to === 'auth-expired')!
  const { snapshot } = year.snapshot(expired.id)
  const options: WhatIfOptions = {
    from: Date.parse('2026-10-27T12:00:00Z'),
    days: 120,
    authority: 'unreachable',
    events: [{ type: 'usage.changed', at: 0, tag: "TAG'S", count: 2 }],
  }
  const text = toWhatIfTest({ device: 'FCH2110V0CE', snapshot, options, run: whatIf(snapshot, options) })

  it('passes, and fails if one state is another (R-INS-4)', () => {
    const { passed, output } = runVitest({ 'what-if.test.ts': text })
    expect(output).toContain('1 passed')
    expect(passed).toBe(true)
    const changed = text.replace(/\['evaluation', '2027/, "['unregistered', '2027")
    expect(changed).not.toBe(text)
    const second = runVitest({ 'what-if.test.ts': changed })
    expect(second.passed).toBe(false)
    expect(second.output).toContain('goes auth-expired, evaluation, unregistered in 120 days')
  })
  it('names what it assumes, and holds no codes (R-INS-4)', () => {
    expect(text).toContain(
      "it('goes auth-expired, evaluation, unregistered in 120 days, with a license server that is unreachable'",
    )
    expect(text).toContain("import { whatIf } from 'smart-licensing-agent/machines'")
  })
})

describe('a copied transition', () => {
  it('passes for every change of a year (R-INS-3)', () => {
    const { changes } = year.stateChanges()
    const files = changes.map(({ id }) => {
      const row = year.history({ before: id + 1, limit: 1 }).history[0]!
      return [`change-${id}.test.ts`, createTest(row, year.snapshot(id - 1), year.snapshot(id))] as const
    })
    const { passed, output } = runVitest(Object.fromEntries(files))
    expect(output).toContain(`${changes.length} passed`)
    expect(passed).toBe(true)
    expect(year.snapshot(0).at).toBe(new Date(NOW).toISOString())
  })
})
