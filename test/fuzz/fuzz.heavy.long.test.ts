import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { attack, type Target } from './attack.ts'
import { mutate } from './mutate.ts'
import { createTargets } from './targets.ts'
import { selectScale } from '../support/scale.ts'

/** Settings of `npm run fuzz`. Without them, the test runs a few inputs from a fixed seed. */
const { FUZZ_TARGET, FUZZ_SEED = '1', FUZZ_SECONDS } = process.env
const INPUTS = selectScale(250, 1_500)
const CORPUS = 'test/fuzz/corpus'

let targets: readonly Target[] = []
beforeAll(async () => {
  const all = await createTargets()
  targets = all.filter(({ name }) => FUZZ_TARGET === undefined || name === FUZZ_TARGET)
})

const keptFor = (name: string): readonly string[] => {
  try {
    return readdirSync(join(CORPUS, name)).map((file) => readFileSync(join(CORPUS, name, file), 'utf8'))
  } catch {
    return []
  }
}

/** Adds a failing input to the corpus, so that every later run repeats it. */
function keep(name: string, input: string): string {
  mkdirSync(join(CORPUS, name), { recursive: true })
  const path = join(CORPUS, name, createHash('sha256').update(input).digest('hex').slice(0, 12))
  writeFileSync(path, input)
  return path
}

const names = [...new Set([...readdirSync(CORPUS)])]

describe('every parser of untrusted input', () => {
  it('accepts its valid inputs', async () => {
    expect(targets.length, `There is no target ${FUZZ_TARGET ?? ''}.`).toBeGreaterThan(0)
    for (const target of targets)
      for (const seed of target.seeds) {
        expect(seed, target.name).not.toBe('')
        expect(await attack(target, seed), target.name).toBeNull()
      }
  })

  it('handles each input of the corpus, which has caused a failure before', async () => {
    for (const name of names) {
      const target = targets.find((candidate) => candidate.name === name)
      if (target === undefined && FUZZ_TARGET !== undefined) continue
      expect(target, `The corpus has inputs for ${name}, which is not a target.`).toBeDefined()
      for (const input of keptFor(name)) if (target) expect(await attack(target, input), name).toBeNull()
    }
  })

  it('parses or rejects mutated inputs without other errors', { timeout: 24 * 3_600_000 }, async () => {
    const until = performance.now() + Number(FUZZ_SECONDS ?? 0) * 1_000
    const tried = new Map<string, number>()
    const finds = new Map<string, string>()
    for (let round = 0; round === 0 || performance.now() < until; round++)
      for (const target of targets) {
        const random = new SeededRandom(`${FUZZ_SEED} ${round} ${target.name}`)
        const sources = [...target.seeds, ...keptFor(target.name)]
        for (let i = 0; i < INPUTS; i++) {
          const input = mutate(random.pick(sources), random)
          const failure = await attack(target, input)
          if (failure === null) continue
          finds.set(target.name, `${failure}\nThe input was saved to ${keep(target.name, input)}`)
          break
        }
        tried.set(target.name, (tried.get(target.name) ?? 0) + INPUTS)
      }
    if (FUZZ_SECONDS !== undefined)
      console.log([...tried].map(([name, count]) => `${name}: ${count} inputs`).join('\n'))
    expect(Object.fromEntries(finds)).toEqual({})
  })
})
