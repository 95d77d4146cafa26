import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { DAY, toIsoString } from '../../src/core/time.ts'
import {
  AUTHORIZATION_TITLE,
  parseAuthorization,
  formatAuthorization,
} from '../../src/protocol/authorization-file.ts'
import type { Delegation } from '../../src/protocol/delegation.ts'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import { type Credential, generateKey, issueCertificate } from '../../src/pki/certificate-generation.ts'
import { parseRoots } from '../../src/pki/chain-validation.ts'
import { signDelegationJws } from '../../src/pki/delegation.ts'
import { decodePayloadUnverified, signMessage } from '../../src/pki/signed-message.ts'
import { signText, verifyText } from '../../src/pki/sign-text.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { StolenKeys } from '../support/keys.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'
import { createHello } from '../support/hello.ts'

const { describe, it } = createSampledTests(3)

/** Forges messages with all keys of a satellite, as a customer with a modified program could. */
class AlteredSatellite extends StolenKeys {
  /** Issues a certificate of any role from the CA of the satellite. */
  async forge(
    role: 'sync' | 'answer-signer',
    at: number,
    authorityId = this.identity().id,
  ): Promise<Credential> {
    const privateKey = await generateKey()
    const { issuingCa, account } = this.identity()
    const certificate = await issueCertificate(
      { certificate: issuingCa, privateKey: this.file('sub-ca.key') },
      createPublicKey(createPrivateKey(privateKey)),
      { role, name: 'Forged', account, authorityId, notBefore: at - DAY, notAfter: at + 80 * DAY },
    )
    return { certificates: [certificate, issuingCa], privateKey: createPrivateKey(privateKey) }
  }

  /** Changes the payload of an answer and signs it again. */
  async reseal(
    answer: string,
    change: (payload: Record<string, unknown>) => void,
    by = this.signer('answer-signer'),
  ) {
    const payload = structuredClone(decodePayloadUnverified(JSON.parse(answer) as SignedMessage)) as Record<
      string,
      unknown
    >
    change(payload)
    return JSON.stringify(await signMessage(payload, { type: 'sla-answer+jws', ...by }))
  }
}

let world: SatelliteEnvironment
let satellite: Authority
let altered: AlteredSatellite
let device: SmartAgent
let change: ((answer: string) => Promise<string>) | null

beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch', { online: true })
  altered = new AlteredSatellite(join(world.directory, 'branch'))
  await world.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  change = null
  const wire: Transport = {
    post: async (path, body) => {
      const { body: answer } = await satellite.operations.server.inject({ method: 'POST', path, body })
      return change ? change(answer) : answer
    },
    close: () => undefined,
  }
  device = await world.openDevice(() => satellite, 'device', { createTransport: () => wire })
  await device.register((await satellite.tokens.create({ days: 365 })).token)
})
afterEach(() => world.close())

/** Requests an authorization renewal. @returns the error code, or `no error` */
async function renewAuthorization(): Promise<string | null> {
  world.clock.advance(60_000)
  const before = device.status()
  const code = await getErrorCode(device.renewAuthorization())
  if (code !== 'no error') expect(device.status().state).toBe(before.state)
  return code
}

describe('a device of a satellite with a delegation (R-SAT-1, R-AUTH-5)', () => {
  it('accepts its unaltered answers', async () => {
    device.setUsage('HOST', 4)
    expect(await renewAuthorization()).toBe('no error')
    expect(device.status().state).toBe('authorized')
  })

  it('refuses answers without a delegation with MANDATE_MISSING', async () => {
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = null))
    expect(await renewAuthorization()).toBe('MANDATE_MISSING')
  })

  it('refuses a satellite that claims to be a manager with ANSWER_WRONG_AUTHORITY', async () => {
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        payload.mandate = null
        payload.authority = { ...(payload.authority as object), role: 'manager' }
      })
    expect(await renewAuthorization()).toBe('ANSWER_WRONG_AUTHORITY')
  })

  it('refuses a delegation that the satellite signed itself with MANDATE_INVALID', async () => {
    const { id, account } = altered.identity()
    const genuine = (payload: Record<string, unknown>): Delegation =>
      JSON.parse(
        Buffer.from(String(payload.mandate).split('.')[1] ?? '', 'base64url').toString(),
      ) as Delegation
    for (const authorityId of [id, world.manager.security.identity.id]) {
      const forged = await altered.forge('sync', world.clock.wall(), authorityId)
      change = async (answer) => {
        const mandate = genuine(
          decodePayloadUnverified(JSON.parse(answer) as SignedMessage) as Record<string, unknown>,
        )
        const text = await signDelegationJws(
          { ...mandate, account, quantities: [{ tag: 'HOST', quantity: 9999 }], sequence: 99 },
          forged,
        )
        return altered.reseal(answer, (payload) => (payload.mandate = text))
      }
      expect(await renewAuthorization()).toBe('MANDATE_INVALID')
    }
  })

  it('refuses an altered delegation with MANDATE_INVALID', async () => {
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        const [head, body = '', signature] = String(payload.mandate).split('.')
        const text = Buffer.from(body, 'base64url').toString().replace('"quantity":10', '"quantity":99')
        payload.mandate = [head, Buffer.from(text).toString('base64url'), signature].join('.')
      })
    expect(await renewAuthorization()).toBe('MANDATE_INVALID')
  })

  it('refuses the delegation of another satellite with MANDATE_INVALID', async () => {
    const other = await world.addSatellite('other', { online: true })
    await other.sync.run()
    const { body } = await other.operations.server.inject({
      method: 'POST',
      path: '/smart-agent/v1/hello',
      body: createHello(),
    })
    const { mandate } = decodePayloadUnverified(JSON.parse(body) as SignedMessage) as { mandate: string }
    expect(mandate).toMatch(/^ey/)
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = mandate))
    expect(await renewAuthorization()).toBe('MANDATE_INVALID')
  })

  it.each(['unchanged', 'all in compliance', 'none', 'fewer', 'duplicated in compliance'])(
    'refuses usage beyond the delegation that is reported in compliance, with its rows %s',
    async (variant) => {
      device.setUsage('HOST', 11)
      change = (answer) =>
        altered.reseal(answer, (payload) => {
          const decision = payload.decision as { entitlements?: object[]; compliance?: string }
          const rows = decision.entitlements
          if (!rows) return
          decision.compliance = 'in-compliance'
          const compliant = rows.map((row) => ({ ...row, status: 'in-compliance' }))
          decision.entitlements =
            {
              unchanged: rows,
              'all in compliance': compliant,
              none: [],
              fewer: compliant.map((row) => ({ ...row, count: 1 })),
              'duplicated in compliance': [...rows, ...compliant],
            }[variant] ?? []
        })
      expect(await renewAuthorization()).toBe(
        variant === 'all in compliance' ? 'MANDATE_EXCEEDED' : 'ANSWER_MALFORMED',
      )
    },
  )

  it('refuses an expired delegation with MANDATE_EXPIRED and has no authorization beyond it', async () => {
    const { restrictedAt } = await satellite.sync.status()
    const until = Date.parse(restrictedAt ?? '')
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        const decision = payload.decision as Record<string, unknown>
        payload.decision = {
          ...decision,
          outcome: 'accepted',
          entitlements: [],
          compliance: 'in-compliance',
          deadlineAt: toIsoString(world.clock.wall() + 400 * DAY),
          nextContactAt: null,
          smartAccount: world.account,
          virtualAccount: 'Default',
        }
      })
    world.clock.advance(until - world.clock.wall() - 10 * DAY)
    expect(await renewAuthorization()).toBe('no error')
    expect(device.status().authorization.deadlineAt).toBe(restrictedAt)
    world.clock.advance(11 * DAY)
    device.tick()
    await device.idle()
    expect(device.status()).toMatchObject({
      state: 'auth-expired',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_EXPIRED' } } },
    })
  })

  it('refuses an older delegation than it has seen with MANDATE_SUPERSEDED', async () => {
    let lastDelegation = ''
    change = (answer) => {
      lastDelegation = (decodePayloadUnverified(JSON.parse(answer) as SignedMessage) as { mandate: string })
        .mandate
      return Promise.resolve(answer)
    }
    expect(await renewAuthorization()).toBe('no error')
    await satellite.sync.run()
    expect(await renewAuthorization()).toBe('no error')
    change = null
    const firstDelegation = lastDelegation
    await satellite.sync.run()
    expect(await renewAuthorization()).toBe('no error')
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = firstDelegation))
    expect(await renewAuthorization()).toBe('MANDATE_SUPERSEDED')
  })

  it('refuses certificates of the satellite CA for another authority or for the role of the manager', async () => {
    const forged = await altered.forge(
      'answer-signer',
      world.clock.wall(),
      world.manager.security.identity.id,
    )
    change = (answer) =>
      altered.reseal(
        answer,
        (payload) => {
          payload.authority = { id: world.manager.security.identity.id, role: 'manager', test: false }
          payload.mandate = null
        },
        forged,
      )
    expect(await renewAuthorization()).toMatch(/^ANSWER_(SIGNER_UNTRUSTED|WRONG_AUTHORITY)$/)
    const { file } = await satellite.sync.export()
    const { file: answer } = await world.manager.satellites.respond(file)
    const sync = await altered.forge('sync', world.clock.wall())
    const lines = answer.slice(0, answer.indexOf('-----BEGIN CERTIFICATE')).split('\n')
    expect(await getErrorCode(satellite.sync.import(signText(lines, sync)))).toBe('SIGNED_FILE_UNTRUSTED')
  })
})

describe('a satellite with a delegation (R-SLR-9)', () => {
  it('reserves, updates, confirms and takes back licenses, which are counted once', async () => {
    const { manager } = world
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed', {
      transport: { kind: 'direct', url: 'https://nowhere.test' },
    })
    const request = await sealed.reservation.request()
    const issued = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    await sealed.reservation.install(issued.file)
    sealed.setUsage('HOST', 5)
    expect(sealed.status()).toMatchObject({ state: 'reserved', authorization: { status: 'reserved' } })
    for (let i = 0; i < 3; i++) await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([
      { virtualAccount: 'BRANCH', quantity: 10, inUse: 0, reserved: 6 },
    ])
    expect(await manager.instances.list()).toMatchObject([
      { udi: { serial: 'DEVICE' } },
      { udi: { serial: 'SEALED' }, status: 'reserved', satellite: 'branch' },
    ])
    // Until an update is confirmed, both sides reserve the larger count.
    const updated = await satellite.reservations.update(issued.instanceId, { HOST: 2 })
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ reserved: 6 }])
    const { reservation } = await sealed.reservation.update(updated.file)
    await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ reserved: 2 }])
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, reserved: 0 }])
    expect(await manager.instances.list()).toMatchObject([{ udi: { serial: 'DEVICE' } }])
  })

  it('cannot reserve more than it has, and the manager cannot reserve from its virtual account', async () => {
    await satellite.reservations.enable()
    await world.manager.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    expect(await getErrorCode(satellite.reservations.reserve({ request, licenses: { HOST: 11 } }))).toBe(
      'LICENSES_UNAVAILABLE',
    )
    expect(
      await getErrorCode(
        world.manager.reservations.reserve({ request, licenses: { HOST: 1 }, virtualAccount: 'BRANCH' }),
      ),
    ).toBe('VIRTUAL_ACCOUNT_OF_SATELLITE')
  })

  it('cannot issue an authorization file without a delegation, beyond it or after its end', async () => {
    await satellite.reservations.enable()
    const sealed = await world.openDevice(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    const { file } = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    const signer = altered.signer('reservation-signer')
    const { lines } = verifyText(file, {
      what: 'authorization file',
      title: AUTHORIZATION_TITLE,
      role: 'reservation-signer',
      roots: parseRoots(world.manager.trustAnchor()),
      at: () => world.clock.wall(),
    })
    const genuine = parseAuthorization(lines)
    const forged = (part: Partial<typeof genuine>) =>
      signText(formatAuthorization({ ...genuine, ...part }), signer)
    expect(await getErrorCode(sealed.reservation.install(forged({ mandate: null })))).toBe('MANDATE_MISSING')
    const licenses = genuine.licenses.map((license) => ({ ...license, count: 11 }))
    expect(await getErrorCode(sealed.reservation.install(forged({ licenses })))).toBe('MANDATE_EXCEEDED')
    expect(
      await getErrorCode(sealed.reservation.install(forged({ issuedAt: world.clock.wall() + 91 * DAY }))),
    ).toMatch(/^MANDATE_EXPIRED|SIGNED_FILE_SIGNER_EXPIRED$/)
    expect(sealed.status().state).toBe('evaluation')
    await sealed.reservation.install(file)
    expect(sealed.status().state).toBe('reserved')
  })

  it('has its own keys but no root key', () => {
    const keys = readdirSync(join(world.directory, 'branch', 'keys'))
    expect(keys).toContain('sync.key')
    expect(keys).not.toContain('root.key')
  })
})
