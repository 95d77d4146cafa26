import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { restoreAuthority } from '../../src/authority/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { hashUdi } from '../../src/protocol/digest.ts'
import { DAY } from '../../src/core/time.ts'
import {
  createSatelliteEnvironment,
  type SatelliteEnvironment,
  type WireFault,
} from '../support/satellite.ts'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { usesPostgres } from '../support/database.ts'
import { copyStored, runStored, type Row } from '../support/stored.ts'
import { selectScale } from '../support/scale.ts'

/**
 * Two satellites and their manager, whatever comes in whatever order: purchases, transfers, boxes, reservations, outages at
 * every phase of an exchange, files that are lost, late and doubled, restarts. Licenses are never in two places, and in the
 * end both sides say the same.
 */

type Step =
  | { kind: 'order'; of: number; count: number; term: number | null }
  | { kind: 'transfer'; from: number; to: number; count: number }
  | { kind: 'divide'; of: number; count: number; back: boolean }
  | { kind: 'report'; of: number; box: number; count: number }
  | { kind: 'register'; of: number; box: number }
  | { kind: 'remove'; of: number; box: number }
  | { kind: 'reserve'; of: number; box: number; count: number }
  | { kind: 'give-back'; of: number; box: number }
  | { kind: 'wire'; of: number; fault: WireFault }
  | { kind: 'export'; of: number }
  | { kind: 'respond'; of: number; which: number }
  | { kind: 'import'; of: number; which: number }
  | { kind: 'restart'; of: number }
  | { kind: 'pass'; days: number }
  | { kind: 'backup'; of: number }
  | { kind: 'restore'; of: number; which: number }
  | { kind: 'copy'; of: number }
  | { kind: 'back-to-copy'; of: number }
  | { kind: 'move'; of: number; box: number; to: number }
  | { kind: 'update'; of: number; box: number; count: number; confirm: boolean }
  | { kind: 'redact'; of: number; serials: boolean }
  | { kind: 'hand'; of: number }
  | { kind: 'further'; of: number; count: number }

const SATELLITES = ['north', 'south'] as const
const VIRTUAL = ['NORTH', 'SOUTH', 'Default'] as const
const BOXES = 2

const of = fc.nat({ max: SATELLITES.length - 1 })
const box = fc.nat({ max: BOXES - 1 })
const count = fc.integer({ min: 1, max: 6 })
const which = fc.nat({ max: 3 })
const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary })

/** What comes in any year. */
const ordinary = [
  weighted(
    1,
    fc.record({
      kind: fc.constant('order' as const),
      of: fc.nat({ max: 2 }),
      count,
      term: fc.option(fc.integer({ min: 5, max: 60 }), { freq: 3, nil: null }),
    }),
  ),
  weighted(
    2,
    fc.record({
      kind: fc.constant('transfer' as const),
      from: fc.nat({ max: 2 }),
      to: fc.nat({ max: 2 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  ),
  weighted(1, fc.record({ kind: fc.constant('divide' as const), of, count, back: fc.boolean() })),
  weighted(1, fc.record({ kind: fc.constant('report' as const), of, box, count: fc.nat({ max: 6 }) })),
  weighted(1, fc.record({ kind: fc.constant('register' as const), of, box })),
  weighted(1, fc.record({ kind: fc.constant('remove' as const), of, box })),
  weighted(1, fc.record({ kind: fc.constant('reserve' as const), of, box, count })),
  weighted(1, fc.record({ kind: fc.constant('give-back' as const), of, box })),
  weighted(
    4,
    fc.record({
      kind: fc.constant('wire' as const),
      of,
      fault: fc.constantFrom<WireFault>(
        'none',
        'none',
        'lost request',
        'lost answer',
        'garbled answer',
        'sent twice',
      ),
    }),
  ),
  weighted(2, fc.record({ kind: fc.constant('export' as const), of })),
  weighted(2, fc.record({ kind: fc.constant('respond' as const), of, which })),
  weighted(2, fc.record({ kind: fc.constant('import' as const), of, which })),
  weighted(1, fc.record({ kind: fc.constant('restart' as const), of })),
  weighted(3, fc.record({ kind: fc.constant('pass' as const), days: fc.integer({ min: 1, max: 25 }) })),
]

/** And what comes once in many: restores, copies, boxes that move, silence beyond the end of a mandate. */
const extraordinary = [
  weighted(1, fc.record({ kind: fc.constant('backup' as const), of })),
  weighted(1, fc.record({ kind: fc.constant('restore' as const), of, which })),
  weighted(1, fc.record({ kind: fc.constant('copy' as const), of })),
  weighted(1, fc.record({ kind: fc.constant('back-to-copy' as const), of })),
  weighted(2, fc.record({ kind: fc.constant('move' as const), of, box, to: fc.nat({ max: 2 }) })),
  weighted(2, fc.record({ kind: fc.constant('update' as const), of, box, count, confirm: fc.boolean() })),
  weighted(1, fc.record({ kind: fc.constant('redact' as const), of, serials: fc.boolean() })),
  weighted(4, fc.record({ kind: fc.constant('hand' as const), of })),
  weighted(1, fc.record({ kind: fc.constant('further' as const), of, count })),
  weighted(1, fc.record({ kind: fc.constant('pass' as const), days: fc.constantFrom(50, 92) })),
]

/** What is refused is refused, and that it changes nothing is what the comparison shows; these are no refusals. */
const DEFECT = /^(?:INTERNAL|STORE_|ANSWER_(?!NOT_JSON|STALE)|SYNC_(?:KEY|OTHER))/

class Story {
  readonly world: SatelliteEnvironment
  readonly satellites: Authority[]
  readonly boxes: SmartAgent[][]
  readonly tokens: string[]
  readonly requests: string[][] = [[], []]
  readonly answers: string[][] = [[], []]
  /** The reservation that a box works from. */
  readonly reserved = new Map<string, string>()
  readonly backups: Buffer[][] = [[], []]
  /** Where a box is: 2 is the manager. */
  readonly where = new Map<string, number>()
  readonly copies: boolean[] = [false, false]
  readonly directories: string[] = [...SATELLITES]
  /** When a satellite was last set back to what it was: until an answer of after that it shows what it had then. */
  readonly setBack: number[] = [0, 0]
  #made = 0
  bought: { count: number; endsAt: number }[] = []

  constructor(world: SatelliteEnvironment, satellites: Authority[], boxes: SmartAgent[][], tokens: string[]) {
    this.world = world
    this.satellites = satellites
    this.boxes = boxes
    this.tokens = tokens
  }

  #satellite(index: number): Authority {
    const satellite = this.satellites[index]
    if (!satellite) throw new Error('no such satellite')
    return satellite
  }

  async step(step: Step): Promise<void> {
    const { manager, clock, wire } = this.world
    switch (step.kind) {
      case 'order': {
        const virtualAccount = VIRTUAL[step.of] ?? 'Default'
        const term = step.term ?? undefined
        await manager.orders.create({ tag: 'HOST', quantity: step.count, virtualAccount, termDays: term })
        this.bought.push({
          count: step.count,
          endsAt: term === undefined ? Infinity : clock.wall() + term * DAY,
        })
        return
      }
      case 'transfer':
        await manager.licenses.transfer({
          tag: 'HOST',
          quantity: step.count,
          from: VIRTUAL[step.from] ?? '',
          to: VIRTUAL[step.to] ?? '',
          confirmed: true,
        })
        return
      case 'divide':
        await this.#satellite(step.of).licenses.transfer({
          tag: 'HOST',
          quantity: step.count,
          from: step.back ? 'Lab' : 'Default',
          to: step.back ? 'Default' : 'Lab',
          confirmed: true,
        })
        return
      case 'report': {
        const agent = this.boxes[step.of]?.[step.box]
        agent?.setUsage('HOST', step.count)
        await this.#settle(agent)
        return
      }
      case 'register':
        await this.boxes[step.of]?.[step.box]?.register(this.tokens[step.of] ?? '', { force: true })
        return
      case 'remove':
        await this.boxes[step.of]?.[step.box]?.deregister()
        return
      case 'reserve': {
        const agent = this.boxes[step.of]?.[step.box]
        if (!agent) return
        const satellite = this.#satellite(step.of)
        const request = await agent.reservation.request()
        const issued = await satellite.reservations.reserve({ request, licenses: { HOST: step.count } })
        await agent.reservation.install(issued.file)
        this.reserved.set(`${step.of} ${step.box}`, issued.instanceId)
        return
      }
      case 'give-back': {
        const id = this.reserved.get(`${step.of} ${step.box}`)
        const agent = this.boxes[step.of]?.[step.box]
        if (id === undefined || !agent) return
        const code = await agent.reservation.returnCode()
        await this.#satellite(step.of).reservations.acceptReturnCode(id, code)
        await agent.reservation.return()
        this.reserved.delete(`${step.of} ${step.box}`)
        return
      }
      case 'wire':
        wire.fault = step.fault
        try {
          await this.#satellite(step.of).sync.run()
          await this.#newToken(step.of)
        } finally {
          wire.fault = 'none'
        }
        return
      case 'export': {
        const { file } = await this.#satellite(step.of).sync.export()
        this.requests[step.of]?.unshift(file)
        return
      }
      case 'respond': {
        const file = this.requests[step.of]?.[step.which]
        if (file === undefined) return
        this.answers[step.of]?.unshift((await manager.satellites.respond(file)).file)
        return
      }
      case 'import': {
        const file = this.answers[step.of]?.[step.which]
        if (file !== undefined) await this.#satellite(step.of).sync.import(file)
        return
      }
      case 'restart':
        await this.#satellite(step.of).close()
        this.satellites[step.of] = await this.world.openSatellite(this.directories[step.of] ?? '')
        return
      case 'backup':
        this.backups[step.of]?.unshift(
          await this.#satellite(step.of).operations.backups.create('correct horse'),
        )
        return
      case 'restore': {
        const backup = this.backups[step.of]?.[step.which]
        if (!backup) return
        await this.#satellite(step.of).close()
        const dir = `restored-${this.#made++}`
        await restoreAuthority({
          dataDir: join(this.world.directory, dir),
          backup,
          passphrase: 'correct horse',
          clock,
        })
        this.directories[step.of] = dir
        this.satellites[step.of] = await this.world.openSatellite(dir)
        this.#isSetBack(step.of)
        await this.#newToken(step.of)
        return
      }
      case 'copy':
        await this.#satellite(step.of).close()
        rmSync(join(this.world.directory, `copy${step.of}`), { recursive: true, force: true })
        await copyStored(
          join(this.world.directory, this.directories[step.of] ?? ''),
          join(this.world.directory, `copy${step.of}`),
        )
        this.copies[step.of] = true
        this.satellites[step.of] = await this.world.openSatellite(this.directories[step.of] ?? '')
        return
      case 'back-to-copy': {
        if (!this.copies[step.of]) return
        await this.#satellite(step.of).close()
        const dir = `copied-${this.#made++}`
        await copyStored(join(this.world.directory, `copy${step.of}`), join(this.world.directory, dir))
        this.directories[step.of] = dir
        this.satellites[step.of] = await this.world.openSatellite(dir)
        this.#isSetBack(step.of)
        await this.#newToken(step.of)
        return
      }
      case 'move': {
        const agent = this.boxes[step.of]?.[step.box]
        this.where.set(`${step.of}-${step.box}`, step.to)
        const at = step.to === 2 ? manager : this.#satellite(step.to)
        await agent?.register((await at.tokens.create({ days: 365 })).token, { force: true })
        return
      }
      case 'update': {
        const id = this.reserved.get(`${step.of} ${step.box}`)
        const agent = this.boxes[step.of]?.[step.box]
        if (id === undefined || !agent) return
        const up = await this.#satellite(step.of).reservations.update(id, { HOST: step.count })
        const { reservation } = await agent.reservation.update(up.file)
        if (step.confirm)
          await this.#satellite(step.of).reservations.confirm(id, reservation.confirmationCode ?? '')
        return
      }
      case 'redact':
        await this.#satellite(step.of).sync.setRedactedFields(step.serials ? ['serial-numbers'] : [])
        return
      case 'hand': {
        const { file } = await this.#satellite(step.of).sync.export()
        await this.#satellite(step.of).sync.import((await manager.satellites.respond(file)).file)
        await this.#newToken(step.of)
        return
      }
      case 'further': {
        const name = `${VIRTUAL[step.of]}-MORE`
        await manager.satellites.addVirtualAccount(SATELLITES[step.of] ?? '', name).catch(() => undefined)
        await manager.licenses.transfer({
          tag: 'HOST',
          quantity: step.count,
          from: 'Default',
          to: name,
          confirmed: true,
        })
        return
      }
      case 'pass':
        clock.advance(step.days * DAY)
        for (const agent of this.boxes.flat()) await this.#settle(agent)
    }
  }

  #isSetBack(of: number): void {
    // What was answered before came before this moment.
    this.world.clock.advance(1000)
    this.setBack[of] = this.world.clock.wall()
  }

  /** A restore revokes tokens; while it is in doubt there is no new one. */
  async #newToken(of: number): Promise<void> {
    const made = await this.#satellite(of)
      .tokens.create({ days: 365 })
      .catch(() => null)
    if (made) this.tokens[of] = made.token
  }

  /** What counts as in use of a satellite's accounts is the sum of what its instances use: never less than nothing. */
  async checkPools(): Promise<void> {
    const pools = await this.#rows(
      `select va.name, p.tag, p.in_use as count, s.status from pools p
       join virtual_accounts va on va.id = p.virtual_account_id left join satellites s on s.id = va.satellite_id`,
    )
    const reported = await this.#rows(
      `select va.name, r.licenses from reported_instances r join virtual_accounts va on va.id = r.virtual_account_id
       join satellites s on s.id = r.satellite_id
       where r.status = 'active' and r.kind = 'registered' and s.status <> 'expired'`,
    )
    for (const { name, tag, count, status } of pools) {
      expect(count).toBeGreaterThanOrEqual(0)
      if (status === null) continue
      const parts = reported
        .filter((one) => one.name === name)
        .flatMap((one) => JSON.parse(String(one.licenses)) as { tag: string; count: number }[])
      expect(count).toBe(parts.reduce((sum, part) => (part.tag === tag ? sum + part.count : sum), 0))
    }
  }

  #rows(query: string): Promise<Row[]> {
    return runStored(this.world.managerDir, query)
  }

  async #settle(agent: SmartAgent | undefined): Promise<void> {
    // Reports of usage are gathered for half a minute.
    this.world.clock.advance(60_000)
    agent?.tick()
    await agent?.idle()
  }

  /**
   * Licenses of the manager's own virtual accounts, and those that a satellite has: together never more than were bought.
   * One that was set back cannot know what it has given up since, until it hears from its manager.
   */
  async checkOwned(): Promise<void> {
    const { manager, clock } = this.world
    const owned = (
      list: readonly { virtualAccount: string; quantity: number }[],
      which: (name: string) => boolean,
    ) => list.filter((one) => which(one.virtualAccount)).reduce((sum, { quantity }) => sum + quantity, 0)
    const free = owned(await manager.licenses.list(), (name) => name === 'Default')
    let below = 0
    for (const [index, satellite] of this.satellites.entries()) {
      const { inDoubt, lastSyncAt } = await satellite.sync.status()
      const heard = !inDoubt && Date.parse(lastSyncAt ?? '') >= (this.setBack[index] ?? 0)
      if (heard) below += owned(await satellite.licenses.list(), () => true)
    }
    const bought = this.bought.reduce(
      (sum, { count, endsAt }) => (clock.wall() < endsAt ? sum + count : sum),
      0,
    )
    expect(free + below).toBeLessThanOrEqual(bought)
  }

  /** When everything has arrived, both sides say the same, nothing more is told, and no box is there twice. */
  async checkAgreement(): Promise<void> {
    const { manager, clock } = this.world
    const exchange = async (satellite: Authority) => {
      clock.advance(1000)
      const { file } = await satellite.sync.export()
      return (await satellite.sync.import((await manager.satellites.respond(file)).file)).outcome
    }
    // By hand, since one may have been taken out meanwhile; again for what the first exchanges have changed.
    for (let i = 0; i < 6; i++) for (const satellite of this.satellites) await exchange(satellite)
    for (const satellite of this.satellites)
      for (let i = 0; i < 3; i++) expect(await exchange(satellite)).toBe('accepted')
    for (const [index, satellite] of this.satellites.entries()) {
      const name = SATELLITES[index] ?? ''
      // Until an update is confirmed the larger of both is held: that is what the manager is told.
      const pending = new Map(
        (await satellite.reservations.list())
          .filter((one) => one.pending)
          .map((one) => [one.instanceId, one]),
      )
      const largerOf = (id: string, tag: string, count: number) => {
        const before = pending.get(id)?.previous.filter((one) => one.tag === tag) ?? []
        return Math.max(
          count,
          before.reduce((sum, one) => sum + one.count, 0),
        )
      }
      const plain = (
        list: readonly { id: string; entitlements: readonly { tag: string; count: number }[] }[],
        held: typeof largerOf,
      ) =>
        list
          .map(({ id, entitlements }) => {
            const counts = new Map(entitlements.map(({ tag }) => [tag, 0]))
            for (const { tag, count } of entitlements) counts.set(tag, (counts.get(tag) ?? 0) + count)
            return [id, [...counts].map(([tag, count]) => `${held(id, tag, count)} of ${tag}`).join()]
          })
          .sort()
      const above = (await manager.instances.list()).filter((one) => one.satellite === name)
      expect(plain(above, (_id, _tag, count) => count)).toEqual(
        plain(await satellite.instances.list(), largerOf),
      )
      const pools = (await manager.licenses.list()).filter(({ virtualAccount }) =>
        virtualAccount.startsWith(VIRTUAL[index] ?? ''),
      )
      const sums = (list: readonly { quantity: number; inUse: number; reserved: number }[]) =>
        (['quantity', 'inUse', 'reserved'] as const).map((key) =>
          list.reduce((total, one) => total + one[key], 0),
        )
      expect(sums(pools)).toEqual(sums(await satellite.licenses.list()))
      expect((await manager.satellites.list()).find((one) => one.name === name)).toMatchObject({
        status: 'current',
        recalls: [],
      })
      expect(await satellite.sync.export()).toMatchObject({ instances: 0, ended: 0 })
    }
    const boxes = [
      ...(
        await this.#rows(`select udi from reported_instances where status = 'active' and kind = 'registered'`)
      ).map(({ udi }) => udi),
      ...(await this.#rows(`select pid, serial from instances where status = 'active'`)).map(
        ({ pid, serial }) => hashUdi(String(pid), String(serial)),
      ),
    ]
    expect(new Set(boxes).size).toBe(boxes.length)
    const all = (await manager.licenses.list()).reduce((sum, { quantity }) => sum + quantity, 0)
    expect(all).toBe(
      this.bought.reduce((sum, { count, endsAt }) => (clock.wall() < endsAt ? sum + count : sum), 0),
    )
  }
}

/** Tells a story to its end. @returns what the manager has recorded */
async function tell(story: readonly Step[]): Promise<string[]> {
  const world = await createSatelliteEnvironment()
  try {
    const satellites: Authority[] = []
    const boxes: SmartAgent[][] = []
    const tokens: string[] = []
    for (const [index, name] of SATELLITES.entries()) {
      const satellite = await world.addSatellite(name, { online: true })
      await satellite.sync.run()
      await satellite.accounts.addVirtualAccount('Lab')
      await satellite.reservations.enable()
      tokens.push((await satellite.tokens.create({ days: 365 })).token)
      satellites.push(satellite)
      const own: SmartAgent[] = []
      for (let i = 0; i < BOXES; i++)
        own.push(
          await world.box(() => {
            const to = checkedStory.where.get(`${index}-${i}`) ?? index
            return to === 2 ? world.manager : (checkedStory.satellites[to] ?? satellite)
          }, `${name}-${i}`),
        )
      boxes.push(own)
    }
    const checkedStory = new Story(world, satellites, boxes, tokens)
    for (const step of story) {
      try {
        await checkedStory.step(step)
      } catch (error) {
        if (!(error instanceof LicensingError) || DEFECT.test(error.code)) throw error
      }
      await checkedStory.checkOwned()
      await checkedStory.checkPools()
    }
    await checkedStory.checkAgreement()
    return (await world.manager.operations.events.list({ limit: 10_000 })).map(({ type }) => type)
  } finally {
    await world.close()
  }
}

/** Milliseconds for all stories together: who asks for more of them waits longer. */
const PATIENCE = 600_000 + 20_000 * Number(process.env.SATELLITE_RUNS ?? 0)

describe('R-SAT-1 R-SAT-2 R-SAT-3 R-SLR-9 R-ACC-3: satellites and their manager, whatever comes', () => {
  const parameters = (runs: number) => ({
    // What is looked for on a second database is not the rules over again.
    numRuns: Number(process.env.SATELLITE_RUNS ?? (usesPostgres() ? 2 : runs)),
    // The same stories every time; others where somebody looks for them, by a seed or by so many; or the one that has failed.
    ...(process.env.STORY_PATH !== undefined && { path: process.env.STORY_PATH }),
    ...(process.env.SATELLITE_RUNS === undefined || process.env.SEED !== undefined
      ? { seed: Number(process.env.SEED ?? 1) }
      : {}),
    // A story takes seconds: to make one shorter takes longer than anybody waits for a first word of it.
    endOnFailure: process.env.SHRINK === undefined,
    // Milliseconds: one that does not come to its end is told with its seed, too.
    timeout: 120_000,
  })
  const stories = (steps: fc.WeightedArbitrary<Step>[]) =>
    fc.array(fc.oneof(...steps), { minLength: 40, maxLength: 120, size: 'max' })

  it(
    'licenses are never in two places, no report is lost, and in the end both sides say the same',
    async () => {
      await fc.assert(
        fc.asyncProperty(stories(ordinary), async (story) => {
          // Nothing here is restored: where the two differ, somebody has lost a report.
          expect(await tell(story)).not.toContain('SATELLITE_DIVERGED')
        }),
        parameters(selectScale(2, 6)),
      )
    },
    PATIENCE,
  )

  it(
    'with restores, copies, boxes that move and silence beyond the end of a mandate too',
    async () => {
      await fc.assert(
        fc.asyncProperty(stories([...ordinary, ...extraordinary]), async (story) => {
          await tell(story)
        }),
        parameters(selectScale(2, 5)),
      )
    },
    PATIENCE,
  )
})
