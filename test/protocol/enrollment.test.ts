import { describe, expect, it } from 'vitest'
import {
  computeEnrollmentMac,
  verifyEnrollmentMac,
  generateEnrollmentCode,
  parseEnrollmentCode,
} from '../../src/protocol/enrollment.ts'
import { compareDelegations, delegationSchema } from '../../src/protocol/delegation.ts'
import { getRefusal } from '../support/refusal.ts'

const claim = { name: 'branch', smartAccount: 'acme.example', satelliteId: 's1', key: 'k', nonce: 'n' }

describe('an enrollment code', () => {
  it('is different each time and may be typed in lower case with spaces', () => {
    const code = generateEnrollmentCode()
    expect(generateEnrollmentCode()).not.toBe(code)
    expect(parseEnrollmentCode(` ${code.toLowerCase()} `)).toBe(code)
    expect(getRefusal(() => parseEnrollmentCode('AAAA'))).toContain('CODE_')
  })

  it('proves its own claim and no other, without being revealed', () => {
    const code = generateEnrollmentCode()
    const mac = computeEnrollmentMac(code, claim)
    expect(mac).not.toContain(code)
    expect(verifyEnrollmentMac(code.toLowerCase(), claim, mac)).toBe(true)
    for (const name of Object.keys(claim))
      expect(verifyEnrollmentMac(code, { ...claim, [name]: 'other' }, mac), name).toBe(false)
    expect(verifyEnrollmentMac(generateEnrollmentCode(), claim, mac)).toBe(false)
  })

  it('is not proved by a MAC of the wrong length', () => {
    const code = generateEnrollmentCode()
    const mac = computeEnrollmentMac(code, claim)
    for (const other of ['', mac.slice(1), `${mac}A`])
      expect(verifyEnrollmentMac(code, claim, other), other).toBe(false)
  })
})

describe('two delegations', () => {
  it('are ordered by epoch, then by sequence', () => {
    const delegations = [
      [1, 1],
      [1, 2],
      [1, 9],
      [2, 1],
      [3, 4],
    ].map(([epoch = 0, sequence = 0]) => ({ epoch, sequence }))
    for (const [i, a] of delegations.entries())
      for (const [j, b] of delegations.entries())
        expect(Math.sign(compareDelegations(a, b))).toBe(Math.sign(i - j))
  })
})

describe('a delegation', () => {
  const delegation = {
    use: 'mandate',
    satellite: '00000000-0000-4000-8000-000000000001',
    account: 'acme.example',
    issuingKey: 'k'.repeat(43),
    epoch: 1,
    sequence: 1,
    quantities: [{ tag: 'HOST', quantity: 0 }],
    issuedAt: '2027-01-01T00:00:00.000Z',
    notAfter: '2027-02-01T00:00:00.000Z',
  }
  it('has times with milliseconds', () => {
    expect(delegationSchema.safeParse(delegation).success).toBe(true)
    for (const name of ['issuedAt', 'notAfter'])
      expect(
        delegationSchema.safeParse({ ...delegation, [name]: '2027-01-01T00:00:00Z' }).success,
        name,
      ).toBe(false)
  })
})
