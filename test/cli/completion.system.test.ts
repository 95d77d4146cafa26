import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPrograms, type Programs } from '../support/programs.ts'

let programs: Programs
beforeAll(() => {
  programs = createPrograms()
})
afterAll(async () => {
  await programs.close()
})

describe('bash completion (R-UI-3)', () => {
  const complete = async (program: string, ...words: string[]): Promise<string[]> => {
    const { stdout: script } = await programs.run(program, ['completion'])
    const ask = `COMP_WORDS=(${[program, ...words].map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
      _${program.replace('-', '_')}; printf '%s\\n' "\${COMPREPLY[@]}"`
    return spawnSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((word) => word !== '')
  }

  it.each([
    ['smart-agent', ['tra'], ['transport']],
    ['smart-agent', ['--data-dir', '/tmp', 'tra'], ['transport']],
    ['smart-agent', ['transport', 'di'], ['direct']],
    ['smart-agent', ['init', '--size', 'm'], ['micro', 'medium']],
    ['smart-agent', ['run', '--log-level', 'd'], ['debug']],
    ['smart-agent', ['register', '--data-dir', '/tmp', '--fo'], ['--force']],
    ['smart-authority', ['--account', 'x', 'vir'], ['virtual-account']],
    ['smart-authority', ['init', '--acc'], ['--accept-agreement', '--account']],
  ])('completes %s %j', async (program, words, expected) => {
    expect(await complete(program, ...words)).toEqual(expected)
  })
})
