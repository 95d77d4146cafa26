import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { createReservationEnvironment } from '../support/reservation-environment.ts'
import type { TestEnvironment } from '../support/test-environment.ts'
import { selectScale } from '../support/scale.ts'

/** Several boxes and one pool: whatever people do, in whatever order, with whatever old papers they have. */
const OWNED = 10
const NAMES = ['one', 'two', 'three'] as const
type Name = (typeof NAMES)[number]

type Action =
  | { kind: 'request' | 'cancel' | 'returnCode' | 'return' | 'restart'; box: Name }
  | { kind: 'reserve' | 'change'; box: Name; count: number }
  /** A file or code from all there ever were: `which` counts from the newest. */
  | { kind: 'install' | 'update' | 'discard'; box: Name; which: number }
  | { kind: 'confirm' | 'remove'; box: Name; which: number }
  | { kind: 'use'; count: number }
  /** The next step of the guide for that box; where it forks, `count` chooses. */
  | { kind: 'goOn'; box: Name; count: number }

const box = fc.constantFrom(...NAMES)
const which = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(6) })
const count = fc.integer({ min: 1, max: 7 })
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('request', 'cancel', 'returnCode', 'return', 'restart'), box }),
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('goOn' as const), box, count }) },
    fc.record({ kind: fc.constantFrom('reserve', 'change'), box, count }),
    fc.record({ kind: fc.constantFrom('install', 'install', 'update', 'update', 'discard'), box, which }),
    fc.record({ kind: fc.constantFrom('confirm', 'remove'), box, which }),
    fc.record({ kind: fc.constant('use' as const), count: fc.nat(4) }),
  ),
  { minLength: 20, maxLength: 60 },
)

/** What lies about on desks: everything that was ever printed or written. */
interface Papers {
  readonly files: string[]
  readonly confirmations: string[]
  readonly returns: string[]
}

class People {
  readonly world: TestEnvironment
  readonly boxes = new Map<Name, SmartAgent>()
  readonly papers: Papers = { files: [], confirmations: [], returns: [] }
  connected: SmartAgent | null = null

  constructor(world: TestEnvironment) {
    this.world = world
  }

  async box(name: Name): Promise<SmartAgent> {
    const open = this.boxes.get(name) ?? (await this.world.open(name))
    this.boxes.set(name, open)
    return open
  }

  instanceOf = async (name: Name): Promise<string | undefined> =>
    (await this.world.authority.reservations.list()).find(({ udi }) => udi.serial === name.toUpperCase())
      ?.instanceId

  async do(action: Action): Promise<void> {
    const { authority } = this.world
    if (action.kind === 'use') {
      await this.#use(action.count)
      return
    }
    if (action.kind === 'goOn') {
      await this.#goOn(action.box, action.count)
      return
    }
    const agent = await this.box(action.box)
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
        this.boxes.delete(action.box)
        return
      case 'reserve': {
        const request = agent.status().reservation.requestCode
        if (request === null) return
        this.papers.files.push(
          (await authority.reservations.reserve({ request, licenses: { HOST: action.count } })).file,
        )
        return
      }
      case 'change': {
        const id = await this.instanceOf(action.box)
        if (id === undefined) return
        this.papers.files.push((await authority.reservations.update(id, { HOST: action.count })).file)
        return
      }
      case 'install':
      case 'update': {
        const file = this.papers.files.at(-1 - action.which)
        if (file === undefined) return
        const { confirmationCode } = (await reservation[action.kind](file)).reservation
        if (confirmationCode !== null) this.papers.confirmations.push(confirmationCode)
        return
      }
      case 'discard': {
        const file = this.papers.files.at(-1 - action.which)
        if (file !== undefined) this.papers.returns.push((await reservation.discard(file)).returnCode)
        return
      }
      case 'confirm': {
        const [id, code] = [
          await this.instanceOf(action.box),
          this.papers.confirmations.at(-1 - action.which),
        ]
        if (id !== undefined && code !== undefined) await authority.reservations.confirm(id, code)
        return
      }
      case 'remove': {
        const [id, code] = [await this.instanceOf(action.box), this.papers.returns.at(-1 - action.which)]
        if (id !== undefined && code !== undefined) await authority.reservations.acceptReturnCode(id, code)
        return
      }
      case 'returnCode':
        this.papers.returns.push(await reservation.returnCode())
        return
      case 'return':
        await reservation.return()
        return
    }
  }

  /** The newest file that is for that box, counted as the deeds count. */
  #newestOf(name: Name): number {
    const at = this.papers.files.findLastIndex((file) => file.includes(` ${name.toUpperCase()}\n`))
    return this.papers.files.length - 1 - at
  }

  async #goOn(box: Name, count: number): Promise<void> {
    const { status } = (await this.box(box)).status().reservation
    const id = await this.instanceOf(box)
    const list = await this.world.authority.reservations.list()
    const pending = list.find(({ instanceId }) => instanceId === id)?.pending ?? false
    const which = this.#newestOf(box)
    switch (status) {
      case 'none':
        return this.do({ kind: 'request', box })
      case 'requested':
        return this.do(id === undefined ? { kind: 'reserve', box, count } : { kind: 'install', box, which })
      case 'installed':
        if (pending)
          return this.do(
            count % 2 === 0 ? { kind: 'update', box, which } : { kind: 'confirm', box, which: 0 },
          )
        return this.do(count > 5 ? { kind: 'returnCode', box } : { kind: 'change', box, count })
      case 'returning':
        return this.do(count % 2 === 0 ? { kind: 'return', box } : { kind: 'remove', box, which: 0 })
    }
  }

  /** Another box, that is connected, draws on the same pool. */
  async #use(count: number): Promise<void> {
    if (!this.connected) {
      this.connected = await this.world.open('connected')
      await this.connected.register(await this.world.token())
    }
    this.connected.setUsage('HOST', count)
    await this.connected.flushUsage()
  }

  /** What every box may use by what it has installed. */
  async granted(): Promise<Map<Name, number>> {
    const granted = new Map<Name, number>()
    for (const name of NAMES) {
      const { reservation } = (await this.box(name)).status()
      granted.set(
        name,
        reservation.entitlements.reduce((sum, one) => sum + one.count, 0),
      )
    }
    return granted
  }

  async check(): Promise<void> {
    const [pool] = await this.world.authority.licenses.list()
    expect(pool?.reserved).toBeLessThanOrEqual(OWNED)
    const reservations = await this.world.authority.reservations.list()
    const held = (name: Name): number => {
      const one = reservations.find(({ udi }) => udi.serial === name.toUpperCase())
      const total = (list: readonly { count: number }[] = []) =>
        list.reduce((sum, { count }) => sum + count, 0)
      return Math.max(total(one?.licenses), total(one?.previous))
    }
    let all = 0
    for (const [name, count] of await this.granted()) {
      // What a box may use is held for it at the authority: nobody else has it.
      expect([name, count]).toEqual([name, Math.min(count, held(name))])
      all += count
    }
    expect(all).toBeLessThanOrEqual(OWNED)
    expect(NAMES.reduce((sum, name) => sum + held(name), 0)).toBe(pool?.reserved)
  }

  /** Everything that was begun is brought to its end, by the guide's own procedures. */
  async finish(name: Name): Promise<void> {
    const { authority } = this.world
    const agent = await this.box(name)
    const { reservation } = agent
    const id = await this.instanceOf(name)
    const where = agent.status().reservation.status
    if (where === 'installed' || where === 'returning') {
      const code = await reservation.returnCode()
      if (id !== undefined) await authority.reservations.acceptReturnCode(id, code)
      await reservation.return()
    } else {
      await reservation.cancel()
      // The authority reserved for a request that was canceled, or for a box that has completed its return already.
      const { file } = id === undefined ? { file: null } : await authority.reservations.get(id)
      if (id !== undefined && file !== null)
        await authority.reservations.acceptReturnCode(id, (await reservation.discard(file)).returnCode)
    }
    expect(agent.status()).toMatchObject({ state: 'evaluation', reservation: { status: 'none' } })
    expect(await this.instanceOf(name)).toBeUndefined()
  }
}

it('R-SLR-3 R-SLR-4 R-SLR-5 R-SLR-6: nothing people do reserves more than is owned, or lets two boxes use one license, and every flow can be finished', async () => {
  const done = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(actions, async (list) => {
      const world = await createReservationEnvironment(OWNED)
      const people = new People(world)
      try {
        for (const action of list) {
          let outcome = 'done'
          try {
            await people.do(action)
          } catch (error) {
            // What is refused is refused for a reason with a name, and has changed nothing that matters.
            if (!(error instanceof LicensingError) || error.code === 'INTERNAL') throw error
            outcome = error.code
          }
          done.set(`${action.kind} ${outcome}`, (done.get(`${action.kind} ${outcome}`) ?? 0) + 1)
          await people.check()
        }
        for (const name of NAMES) await people.finish(name)
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
        .map((one) => one.join(' '))
        .join('\n'),
    )
})
