import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selectScale } from '../support/scale.ts'
import { plantedBugs } from './planted-bugs.ts'

/** Every seventh bug is the sample. */
const chosen = plantedBugs.filter((_, i) => i % selectScale(16, 1) === 0)
/** Seeds in which each must be found: twice as many as it took. */
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

const hunt = (chosen: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const program = join(directory, 'dist/tools/simulator/simulate.js')
    const options = ['--seeds', String(SEEDS), ...chosen, '--until-wrong', '--workers', '1']
    execFile(process.execPath, [program, ...options], (failure, stdout, stderr) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), output: `${stdout}${stderr}` })
    })
  })

describe('the simulator finds', () => {
  it.for(chosen.map((bug) => [bug.name, bug] as const))(
    '%s',
    async ([, { file, text, instead, found, options = ['--days', '14'] }]) => {
      const path = join(directory, 'dist', file)
      const right = readFileSync(path, 'utf8')
      expect(right.split(text)).toHaveLength(2)
      writeFileSync(
        path,
        right.replace(text, () => instead),
      )
      try {
        const { code, output } = await hunt(options)
        const [, seed, invariant] = /^seed (\d+): ([a-z-]+): /m.exec(output) ?? []
        if (process.env.SAY_SEEDS) console.log(`${seed ?? 'not found'} ${invariant ?? ''}`)
        expect(code, output).toBe(1)
        expect(found, output).toContain(invariant)
      } finally {
        writeFileSync(path, right)
      }
    },
  )
})
