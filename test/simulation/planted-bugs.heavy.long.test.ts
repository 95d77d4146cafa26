import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selectScale } from '../support/scale.ts'
import { plantedBugs } from './planted-bugs.ts'

/** A sample of the bugs, or all of them in the release tier. */
const selected = plantedBugs.filter((_, i) => i % selectScale(16, 1) === 0)
/** Number of seeds in which each bug must be found: twice the number that was needed. */
const SEEDS = 120

let directory = ''
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-planted-'))
  for (const part of ['machines', 'mocks', 'src', 'tools'])
    cpSync(join('dist', part), join(directory, 'dist', part), { recursive: true })
  cpSync('package.json', join(directory, 'package.json'))
  symlinkSync(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'))
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

const search = (extra: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const program = join(directory, 'dist/tools/simulator/simulate.js')
    const options = ['--seeds', String(SEEDS), ...extra, '--until-wrong', '--workers', '1']
    execFile(process.execPath, [program, ...options], (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), output: `${stdout}${stderr}` })
    })
  })

describe('the simulator finds a planted bug:', () => {
  it.for(selected.map((bug) => [bug.name, bug] as const))(
    '%s',
    async ([, { file, text, instead, found, options = ['--days', '14'] }]) => {
      const path = join(directory, 'dist', file)
      const original = readFileSync(path, 'utf8')
      expect(original.split(text)).toHaveLength(2)
      writeFileSync(
        path,
        original.replace(text, () => instead),
      )
      try {
        const { code, output } = await search(options)
        const [, seed, invariant] = /^seed (\d+): ([a-z-]+): /m.exec(output) ?? []
        if (process.env.SAY_SEEDS) console.log(`${seed ?? 'not found'} ${invariant ?? ''}`)
        expect(code, output).toBe(1)
        expect(found, output).toContain(invariant)
      } finally {
        writeFileSync(path, original)
      }
    },
  )
})
