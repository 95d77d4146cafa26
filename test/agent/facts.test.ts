import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  initialTransition,
  nextDeadline,
  toMachineSnapshot,
  getLicenseState,
  transition,
} from '../../machines/index.ts'
import { STATE_VERSION, parseState, serializeState } from '../../src/agent/persisted-state.ts'
import { LicensingError } from '../../src/core/errors.ts'

const golden = new URL('../golden/', import.meta.url).pathname
const versions = readdirSync(golden).filter((name) => name.startsWith('facts-'))
const files = versions.flatMap((version) =>
  readdirSync(join(golden, version)).map(
    (name) => [`${version}/${name}`, join(golden, version, name)] as const,
  ),
)

describe('the stored state of every released version', () => {
  it('has at least one test file for each version', () => {
    for (let version = 1; version <= STATE_VERSION; version++)
      expect(files.some(([name]) => name.startsWith(`facts-${version}/`))).toBe(true)
  })

  it.each(files)('%s is read, resumed and continued', (_, path) => {
    const position = parseState(readFileSync(path, 'utf8'))
    expect(toMachineSnapshot(position).status).toBe('active')
    const due = nextDeadline(position) ?? position.context.authorization.since
    const after = transition(position, { type: 'clock.tick', at: due, used: 60 }).snapshot
    expect(getLicenseState(after.value)).toBeTypeOf('string')
    expect(parseState(serializeState(after))).toEqual(after)
  })
})

const codeOf = (json: string): string => {
  try {
    parseState(json)
  } catch (error) {
    if (error instanceof LicensingError) return error.code
    throw error
  }
  return 'read'
}

describe('an invalid stored state', () => {
  const good = serializeState(initialTransition(0).snapshot)
  it('of a newer version is refused with STORE_TOO_NEW', () => {
    expect(codeOf(JSON.stringify({ ...(JSON.parse(good) as object), version: STATE_VERSION + 1 }))).toBe(
      'STORE_TOO_NEW',
    )
  })

  it('is refused with an error code for any damage', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(good.length - 1), (a, b) => {
        const cut = good.slice(0, Math.min(a, b)) + good.slice(Math.max(a, b))
        expect(['read', 'STORE_UNREADABLE', 'STORE_TOO_NEW']).toContain(codeOf(cut))
      }),
    )
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(codeOf(json)).not.toBe('read')
      }),
    )
  })

  it('is refused if it names an unknown state of the machine', () => {
    const facts = JSON.parse(good) as { position: { value: { license: unknown } } }
    facts.position.value.license = 'no-such-state'
    expect(codeOf(JSON.stringify(facts))).toBe('STORE_UNREADABLE')
  })
})
