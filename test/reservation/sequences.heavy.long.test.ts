import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import type { TestEnvironment } from '../support/test-environment.ts'
import { selectScale } from '../support/scale.ts'

/** Model test: several devices share one pool, and users act in any order with any old file or code. */
const OWNED = 10
const NAMES = ['one', 'two', 'three'] as const
type Name = (typeof NAMES)[number]

type Action =
  | { kind: 'request' | 'cancel' | 'returnCode' | 'return' | 'restart'; device: Name }
  | { kind: 'reserve' | 'change'; device: Name; count: number }
  /** `age` selects any earlier file or code, counted back from the newest. */
  | { kind: 'install' | 'update' | 'discard'; device: Name; age: number }
  | { kind: 'confirm' | 'remove'; device: Name; age: number }
  | { kind: 'use'; count: number }
  /** The next step of the documented procedure for the device. `count` decides between alternatives. */
  | { kind: 'proceed'; device: Name; count: number }

const device = fc.constantFrom(...NAMES)
const age = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(6) })
const count = fc.integer({ min: 1, max: 7 })
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('request', 'cancel', 'returnCode', 'return', 'restart'), device }),
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('proceed' as const), device, count }) },
    fc.record({ kind: fc.constantFrom('reserve', 'change'), device, count }),
    fc.record({ kind: fc.constantFrom('install', 'install', 'update', 'update', 'discard'), device, age }),
    fc.record({ kind: fc.constantFrom('confirm', 'remove'), device, age }),
    fc.record({ kind: fc.constant('use' as const), count: fc.nat(4) }),
  ),
  { minLength: 20, maxLength: 60 },
)

/** All files and codes that were issued so far, oldest first. */
interface IssuedCodes {
  readonly files: string[]
  readonly confirmations: string[]
  readonly returns: string[]
}

class Users {
  readonly world: TestEnvironment
  readonly devices = new Map<Name, SmartAgent>()
  readonly issued: IssuedCodes = { files: [], confirmations: [], returns: [] }
  connected: SmartAgent | null = null

  constructor(world: TestEnvironment) {
    this.world = world
  }

  async device(name: Name): Promise<SmartAgent> {
    const open = this.devices.get(name) ?? (await this.world.open(name))
    this.devices.set(name, open)
    return open
  }

  getInstanceId = async (name: Name): Promise<string | undefined> =>
    (await this.world.authority.reservations.list()).find(({ udi }) => udi.serial === name.toUpperCase())
      ?.instanceId

  async do(action: Action): Promise<void> {
    const { authority } = this.world
    if (action.kind === 'use') {
      await this.#use(action.count)
      return
    }
    if (action.kind === 'proceed') {
      await this.#proceed(action.device, action.count)
      return
    }
    const agent = await this.device(action.device)
    const { reservation } = agent
    switch (action.kind) {
      case 'request':
        await reservation.request()
        return
      case 'cancel':
        await reservation.cancel()
        return
      case 'restart':
        await agent.close()
        this.devices.delete(action.device)
        return
      case 'reserve': {
        const request = agent.status().reservation.requestCode
        if (request === null) return
        this.issued.files.push(
          (await authority.reservations.reserve({ request, licenses: { HOST: action.count } })).file,
        )
        return
      }
      case 'change': {
        const id = await this.getInstanceId(action.device)
        if (id === undefined) return
        this.issued.files.push((await authority.reservations.update(id, { HOST: action.count })).file)
        return
      }
      case 'install':
      case 'update': {
        const file = this.issued.files.at(-1 - action.age)
        if (file === undefined) return
        const { confirmationCode } = (await reservation[action.kind](file)).reservation
        if (confirmationCode !== null) this.issued.confirmations.push(confirmationCode)
        return
      }
      case 'discard': {
        const file = this.issued.files.at(-1 - action.age)
        if (file !== undefined) this.issued.returns.push((await reservation.discard(file)).returnCode)
        return
      }
      case 'confirm': {
        const [id, code] = [
          await this.getInstanceId(action.device),
          this.issued.confirmations.at(-1 - action.age),
        ]
        if (id !== undefined && code !== undefined) await authority.reservations.confirm(id, code)
        return
      }
      case 'remove': {
        const [id, code] = [await this.getInstanceId(action.device), this.issued.returns.at(-1 - action.age)]
        if (id !== undefined && code !== undefined) await authority.reservations.acceptReturnCode(id, code)
        return
      }
      case 'returnCode':
        this.issued.returns.push(await reservation.returnCode())
        return
      case 'return':
        await reservation.return()
        return
    }
  }

  /** Returns the age of the newest file for a device, counted as in actions. */
  #ageOfNewest(name: Name): number {
    const at = this.issued.files.findLastIndex((file) => file.includes(` ${name.toUpperCase()}\n`))
    return this.issued.files.length - 1 - at
  }

  async #proceed(device: Name, count: number): Promise<void> {
    const { status } = (await this.device(device)).status().reservation
    const id = await this.getInstanceId(device)
    const list = await this.world.authority.reservations.list()
    const pending = list.find(({ instanceId }) => instanceId === id)?.pending ?? false
    const age = this.#ageOfNewest(device)
    switch (status) {
      case 'none':
        return this.do({ kind: 'request', device })
      case 'requested':
        return this.do(
          id === undefined ? { kind: 'reserve', device, count } : { kind: 'install', device, age },
        )
      case 'installed':
        if (pending)
          return this.do(
            count % 2 === 0 ? { kind: 'update', device, age } : { kind: 'confirm', device, age: 0 },
          )
        return this.do(count > 5 ? { kind: 'returnCode', device } : { kind: 'change', device, count })
      case 'returning':
        return this.do(count % 2 === 0 ? { kind: 'return', device } : { kind: 'remove', device, age: 0 })
    }
  }

  /** Sets the usage of another device, which is connected and uses the same pool. */
  async #use(count: number): Promise<void> {
    if (!this.connected) {
      this.connected = await this.world.open('connected')
      await this.connected.register(await this.world.token())
    }
    this.connected.setUsage('HOST', count)
    await this.connected.flushUsage()
  }

  /** Returns the license count that each device has installed. */
  async granted(): Promise<Map<Name, number>> {
    const granted = new Map<Name, number>()
    for (const name of NAMES) {
      const { reservation } = (await this.device(name)).status()
      granted.set(
        name,
        reservation.entitlements.reduce((sum, { count }) => sum + count, 0),
      )
    }
    return granted
  }

  async check(): Promise<void> {
    const [pool] = await this.world.authority.licenses.list()
    expect(pool?.reserved).toBeLessThanOrEqual(OWNED)
    const reservations = await this.world.authority.reservations.list()
    const held = (name: Name): number => {
      const reservation = reservations.find(({ udi }) => udi.serial === name.toUpperCase())
      const total = (list: readonly { count: number }[] = []) =>
        list.reduce((sum, { count }) => sum + count, 0)
      return Math.max(total(reservation?.licenses), total(reservation?.previous))
    }
    let all = 0
    for (const [name, count] of await this.granted()) {
      // The installed count is reserved for this device at the authority.
      expect([name, count]).toEqual([name, Math.min(count, held(name))])
      all += count
    }
    expect(all).toBeLessThanOrEqual(OWNED)
    expect(NAMES.reduce((sum, name) => sum + held(name), 0)).toBe(pool?.reserved)
  }

  /** Completes every unfinished procedure as documented. */
  async finish(name: Name): Promise<void> {
    const { authority } = this.world
    const agent = await this.device(name)
    const { reservation } = agent
    const id = await this.getInstanceId(name)
    const { status } = agent.status().reservation
    if (status === 'installed' || status === 'returning') {
      const code = await reservation.returnCode()
      if (id !== undefined) await authority.reservations.acceptReturnCode(id, code)
      await reservation.return()
    } else {
      await reservation.cancel()
      // The authority reserved for a canceled request, or for a device that has completed its return.
      const { file } = id === undefined ? { file: null } : await authority.reservations.get(id)
      if (id !== undefined && file !== null)
        await authority.reservations.acceptReturnCode(id, (await reservation.discard(file)).returnCode)
    }
    expect(agent.status()).toMatchObject({ state: 'evaluation', reservation: { status: 'none' } })
    expect(await this.getInstanceId(name)).toBeUndefined()
  }
}

it('no sequence of actions reserves more than is owned or lets two devices use one license, and each can be completed (R-SLR-3, R-SLR-4, R-SLR-5, R-SLR-6)', async () => {
  const done = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      const world = await createReservationEnvironment(OWNED)
      const users = new Users(world)
      try {
        for (const action of list) {
          let outcome = 'done'
          try {
            await users.do(action)
          } catch (error) {
            // Refusals need an error code. The following check shows that they changed nothing.
            if (!(error instanceof LicensingError) || error.code === 'INTERNAL') throw error
            outcome = error.code
          }
          done.set(`${action.kind} ${outcome}`, (done.get(`${action.kind} ${outcome}`) ?? 0) + 1)
          await users.check()
        }
        for (const name of NAMES) await users.finish(name)
        expect((await world.authority.licenses.list())[0]?.reserved).toBe(0)
      } finally {
        await world.close()
      }
    }),
    {
      numRuns: Number(process.env.SEQUENCE_RUNS ?? selectScale(6, 20)),
      ...(process.env.SEQUENCE_SEED !== undefined && { seed: Number(process.env.SEQUENCE_SEED) }),
    },
  )
  if (process.env.SEQUENCE_TELL !== undefined)
    console.log(
      [...done]
        .sort()
        .map((entry) => entry.join(' '))
        .join('\n'),
    )
})
