import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Status } from '../../src/index.ts'
import { createPrograms, type Programs } from '../support/programs.ts'

/** Agent and authority as two programs, which share nothing but carried files and codes. */
let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

interface Licenses {
  licenses: { tag: string; quantity: number; inUse: number; reserved: number; available: number }[]
}

it('the six documented reservation procedures work in their order (R-SLR-1…6)', async () => {
  const { agent, authority, good, dataDir } = programs
  const carriedFile = (name: string) => join(programs.directory, name)
  const host = async () => {
    const { licenses } = await good<Licenses>(authority(['license', 'list', '--json']))
    return licenses.find(({ tag }) => tag === 'HOST')
  }

  await programs.initAuthority()
  await programs.order(50)
  writeFileSync(carriedFile('root.pem'), (await authority(['trust', 'export'])).stdout)
  await good(
    agent(['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--trust', carriedFile('root.pem'), '--json']),
  )
  await good(agent(['usage', 'set', 'HOST', '8', '--json']))
  await good(authority(['reservation', 'enable', '--json']))

  // Obtain a Reservation Request Code
  const { requestCode } = await good<{ requestCode: string }>(agent(['reservation', 'request', '--json']))
  expect(await good(agent(['reservation', 'request', '--json']))).toEqual({ requestCode })
  writeFileSync(carriedFile('request.txt'), requestCode.toLowerCase().replaceAll('-', ' '))

  // Obtain the Reservation Authorization Code File
  const reserved = await good<{ instanceId: string }>(
    authority([
      'reservation',
      'reserve',
      ...['--request-file', carriedFile('request.txt')],
      ...['--license', 'HOST=10'],
      ...['--out', carriedFile('authorization-1.txt')],
      '--json',
    ]),
  )
  expect(await host()).toMatchObject({ quantity: 50, inUse: 0, reserved: 10, available: 40 })
  const { instanceId } = reserved

  // Register Your Reserved Licenses
  const installed = await good<Status>(
    agent(['reservation', 'install', carriedFile('authorization-1.txt'), '--json']),
  )
  expect(installed).toMatchObject({
    state: 'reserved',
    functionality: 'full',
    registration: { status: 'reserved', smartAccount: 'acme.example', instanceId },
    authorization: { status: 'reserved' },
    reservation: { status: 'installed', entitlements: [{ tag: 'HOST', count: 10, endsAt: null }] },
    entitlements: [{ tag: 'HOST', count: 8, status: 'reserved-in-compliance' }],
    evaluation: { running: false },
  })

  // Modify Your Reserved Licenses
  await good(
    authority([
      'reservation',
      'update',
      ...['--instance', instanceId],
      ...['--license', 'HOST=20'],
      ...['--out', carriedFile('authorization-2.txt')],
      '--json',
    ]),
  )
  expect(await host()).toMatchObject({ reserved: 20 })

  // Update Your Reserved Licenses
  const updated = await good<{ confirmationCode: string; reservation: Status['reservation'] }>(
    agent(['reservation', 'update', carriedFile('authorization-2.txt'), '--json']),
  )
  expect(updated.reservation.entitlements).toMatchObject([{ tag: 'HOST', count: 20 }])

  // Enter the Confirmation Code
  const confirmed = await good(
    authority([
      'reservation',
      'confirm',
      ...['--instance', instanceId],
      ...['--code', updated.confirmationCode],
      '--json',
    ]),
  )
  expect(confirmed).toMatchObject({ authorization: 2, pending: false })

  // Create a Reservation Return Code
  const asked = await agent(['reservation', 'return-code', '--json'])
  expect(asked.code).toBe(2)
  expect(asked.stderr).toContain('CONFIRMATION_REQUIRED')
  const { returnCode } = await good<{ returnCode: string }>(
    agent(['reservation', 'return-code', '--yes', '--json']),
  )
  expect(await programs.status()).toMatchObject({
    state: 'reserved',
    functionality: 'license-management-only',
    authorization: { status: 'not-authorized' },
    reservation: { status: 'returning', returnCode },
  })

  // Remove the Product Instance
  expect(
    await good(authority(['instance', 'remove', instanceId, '--return-code', returnCode, '--json'])),
  ).toEqual({ removed: instanceId })
  expect(await host()).toMatchObject({ reserved: 0, available: 50 })
  expect(await good(authority(['instance', 'list', '--json']))).toEqual({ instances: [] })

  // Return Your Reserved Licenses
  const returned = await good<Status>(agent(['reservation', 'return', '--json']))
  expect(returned).toMatchObject({
    state: 'evaluation',
    functionality: 'full',
    registration: { status: 'unregistered' },
    reservation: { status: 'none', requestCode: null, returnCode },
    evaluation: { running: true, expired: false },
  })
  expect(dataDir()).toBeTypeOf('string')
})
