import { DAY, HOUR } from '../../src/core/time.ts'
import type { Answer, SignedMessage } from '../../src/protocol/messages.ts'
import { decodePayloadUnverified } from '../../src/pki/signed-message.ts'
import { getLicenseState } from '../../machines/index.ts'
import { SeededRandom } from './seeded-random.ts'
import { type Invariant, Violation, formatErrorWithStack } from './invariants.ts'
import { createUntrustedSigner } from './network.ts'
import { type DeviceAction, type Action, type OfflineAction, type Plan, TAGS } from './plan.ts'
import { useSeededUuids } from './seeded-ids.ts'
import { authorityTemplate, VIRTUAL_ACCOUNTS, SimulatedAuthority, START_TIME } from './simulated-authority.ts'
import { SimulatedDevice } from './simulated-device.ts'
import { EventScheduler } from './event-scheduler.ts'
import { formatAuthority, describeAction } from './describe-action.ts'

/** What came of a history. */
export interface SimulationResult {
  readonly plan: Plan
  /** Everything that happened, in words, each line with its day and who it happened to. */
  readonly lines: readonly string[]
  /** What was not as it must be; null where all was. */
  readonly violation: { readonly invariant: Invariant; readonly message: string; readonly at: number } | null
}

/** Events of a history: more than the busiest has, so that one which does not come to its end is seen. */
const MAX_TRACE_LINES = 400_000
/** After everything is mended: within this much a box that waits between attempts has made one (`retryWaits`, `Retry-After`). */
const RECOVERY_LIMIT_MS = DAY + 5 * HOUR
/** How often a satellite looks whether it should synchronize. */
const SATELLITE_TICK_INTERVAL_MS = 6 * HOUR

/**
 * Lets a plan happen: real agents, a real authority, on virtual time, with a network, disks and clocks that fail as planned.
 * At its end everything is mended, and all must be well again; then every box gives back what it has. The same plan, the same
 * history.
 */
export async function runSimulation(plan: Plan): Promise<SimulationResult> {
  await Promise.all([createUntrustedSigner(), preloadModules()])
  const template = await authorityTemplate()
  const random = new SeededRandom(`${plan.seed} chance`)
  useSeededUuids(new SeededRandom(`${plan.seed} ids`))
  const simulation = new Simulation(plan, random)
  const refuse = (error: unknown) => {
    // A program that was cut off in the middle of something tells nobody any more.
    if (!isAbandonedProcessError(error))
      simulation.reportViolation(
        new Violation('errors-closed', `nobody caught: ${formatErrorWithStack(error)}`),
      )
  }
  process.on('unhandledRejection', refuse)
  try {
    return await simulation.run(template.directory)
  } finally {
    await simulation.close()
    process.off('unhandledRejection', refuse)
    useSeededUuids(null)
  }
}

/** Loads what programs load when they first need it: reading files takes time that no history has. */
const preloadModules = (): Promise<unknown> =>
  Promise.all([
    import('../../src/agent/protocol-client.ts'),
    import('../../src/agent/request-results.ts'),
    import('../../src/agent/reservation.ts'),
    import('../../src/pki/certificate-generation.ts'),
    import('../../src/pki/root-rotation.ts'),
  ])

const isAbandonedProcessError = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'PowerLossError' || error.message.includes('database connection is not open'))

class Simulation {
  readonly #plan: Plan
  /** How often boxes beat, and the books are looked at, while nothing happens. */
  readonly #beat: number
  readonly #timeline = new EventScheduler(START_TIME)
  readonly #authority: SimulatedAuthority
  readonly #satellites: SimulatedAuthority[]
  readonly #devices: SimulatedDevice[]
  readonly #lines: string[] = []
  readonly #outputs: string[] = []
  readonly #codes = new Set<string>()
  #violation: SimulationResult['violation'] = null

  constructor(plan: Plan, random: SeededRandom) {
    this.#plan = plan
    // Where nothing goes wrong, nothing happens between what is due.
    this.#beat = plan.faults === 'none' ? 30 * DAY : DAY
    const common = {
      slowestBeat: this.#beat,
      timeline: this.#timeline,
      random,
      log: (who: string, what: string) => {
        this.#log(who, what)
      },
      say: (text: string) => {
        this.#outputs.push(text)
      },
      violated: (violation: Violation) => {
        this.reportViolation(violation)
      },
    }
    this.#authority = new SimulatedAuthority({ ...common, name: formatAuthority(0) })
    const manager = this.#authority
    this.#satellites = Array.from(
      { length: plan.satellites ?? 0 },
      (_, number) =>
        new SimulatedAuthority({
          ...common,
          name: formatAuthority(number + 1),
          manager: (path, body) => manager.answer(path, body),
        }),
    )
    this.#devices = Array.from({ length: plan.boxes }, (_, number) => {
      const box: SimulatedDevice = new SimulatedDevice(number, {
        ...common,
        trust: () => this.#authority.trust,
        answering: async (path, body) => {
          const reply = await this.#getHome(number).answer(path, body)
          if (typeof reply !== 'string') this.#checkAnswer(box, reply.body)
          return reply
        },
      })
      return box
    })
  }

  get #authorities(): SimulatedAuthority[] {
    return [this.#authority, ...this.#satellites]
  }

  /** Where a box is licensed: boxes are divided among the manager and its satellites. */
  #getHome(box: number): SimulatedAuthority {
    return this.#authorities[box % this.#authorities.length] ?? this.#authority
  }

  #log(who: string, what: string): void {
    const passed = this.#timeline.now() - START_TIME
    const clock = new Date(passed).toISOString().slice(11, 23)
    this.#lines.push(`day ${String(Math.floor(passed / DAY)).padStart(4)} ${clock}  ${who}: ${what}`)
    if (this.#lines.length > MAX_TRACE_LINES)
      this.reportViolation(new Violation('terminates', `${MAX_TRACE_LINES} things have happened`))
  }

  reportViolation({ invariant, message }: Violation): void {
    if (this.#violation) return
    this.#log('INVARIANT', `${invariant}: ${message}`)
    this.#violation = { invariant, message, at: this.#timeline.now() - START_TIME }
  }

  /** What the authority said to a box. */
  #checkAnswer(box: SimulatedDevice, body: string): void {
    const { decision } = decodePayloadUnverified(JSON.parse(body) as SignedMessage) as Answer
    if (decision.outcome === 'accepted') {
      if ('deadlineAt' in decision) box.deadline = Math.max(box.deadline, Date.parse(decision.deadlineAt))
    } else if (decision.code === 'INSTANCE_DIVERGED' && !box.copied)
      this.reportViolation(
        new Violation('no-false-clone', `${box.name} was never copied, and is told that it was`),
      )
  }

  readonly #isOver = () => this.#violation !== null

  async run(template: string): Promise<SimulationResult> {
    this.#authority.computer.disk.copyFrom(template)
    await this.#authority.start()
    // Enough for most of what boxes use, and not always for all of it.
    await this.#authority.act(async (authority) => {
      for (const virtualAccount of VIRTUAL_ACCOUNTS)
        for (const tag of TAGS)
          await authority.orders.create({ tag, quantity: 4 * this.#plan.boxes, virtualAccount })
    })
    for (const place of [VIRTUAL_ACCOUNTS[0], VIRTUAL_ACCOUNTS[0], VIRTUAL_ACCOUNTS[1]])
      await this.#authority.createToken(place)
    for (const [number, satellite] of this.#satellites.entries())
      await this.#startSatellite(satellite, `SAT-${number + 1}`)
    for (const box of this.#devices) {
      await box.start()
      box.tick()
    }
    for (const { at, action } of this.#plan.steps)
      this.#timeline.scheduleAt(START_TIME + at, async () => {
        this.#log('—', describeAction(action))
        await this.#perform(action)
      })
    const look = async () => {
      for (const one of this.#authorities) await one.check()
      this.#timeline.scheduleAfter(this.#beat, look)
    }
    this.#timeline.scheduleAfter(this.#beat, look)
    await this.#timeline.runUntil(START_TIME + this.#plan.days * DAY, this.#isOver)
    await this.#restoreAll()
    return { plan: this.#plan, lines: this.#lines, violation: this.#violation }
  }

  /** A satellite is added, has licenses, synchronizes for the first time, and makes a token of its own. */
  async #startSatellite(satellite: SimulatedAuthority, name: string): Promise<void> {
    await satellite.becomeSatellite(name, this.#authority)
    await this.#authority.act(async (manager) => {
      for (const tag of TAGS)
        await manager.orders.create({ tag, quantity: 4 * this.#plan.boxes, virtualAccount: name })
    })
    const beat = () => {
      satellite.tick()
      this.#timeline.scheduleAfter(SATELLITE_TICK_INTERVAL_MS, beat)
    }
    satellite.synchronize()
    this.#timeline.scheduleAfter(SATELLITE_TICK_INTERVAL_MS, beat)
    await this.#timeline.runUntil(this.#timeline.now() + HOUR, this.#isOver)
    await satellite.createToken(VIRTUAL_ACCOUNTS[0])
  }

  /** Nothing stands in anybody's way any more: all must be well again within its bound, and nothing may be lost. */
  async #restoreAll(): Promise<void> {
    if (this.#isOver()) return
    this.#log('—', 'everything is mended')
    for (const one of this.#authorities) await one.restore()
    for (const box of this.#devices) {
      await box.restore()
      box.tick()
    }
    const bound = this.#satellites.length > 0 ? 2 * RECOVERY_LIMIT_MS : RECOVERY_LIMIT_MS
    await this.#timeline.runUntil(this.#timeline.now() + bound, this.#isOver)
    if (this.#isOver()) return
    for (const box of this.#devices) this.#assertRecovered(box)
    for (const one of this.#authorities) await one.check()
    await this.#searchSecrets()
    if (!this.#isOver()) await this.#returnAll()
  }

  #assertRecovered(box: SimulatedDevice): void {
    const position = box.agent?.snapshot
    if (!position) {
      this.reportViolation(new Violation('recovers-within-bound', `${box.name} does not run`))
      return
    }
    const { registering, registration } = position.context
    const word = getLicenseState(position.value)
    if (registering !== null)
      this.reportViolation(new Violation('recovers-within-bound', `${box.name} is still registering`))
    // A copy is told that it is one, and waits for a person to register it anew.
    else if (registration !== null && !box.copied && word !== 'authorized' && word !== 'out-of-compliance')
      this.reportViolation(new Violation('recovers-within-bound', `${box.name} is registered, and ${word}`))
  }

  async #searchSecrets(): Promise<void> {
    const tokens = this.#authorities.flatMap((one) => one.tokens)
    const secrets = ['PRIVATE KEY', ...tokens.map(({ token }) => token.slice(-43))]
    const records = [
      ...this.#outputs,
      ...this.#lines,
      ...this.#devices.flatMap((box) => box.listRecords()),
      ...(await Promise.all(this.#authorities.map((one) => one.listOutputs()))).flat(),
    ].join('\n')
    const documents = this.#devices.flatMap((box) => box.listDocuments()).join('\n')
    const isSaid = (what: string, secret: string, where: string) => {
      if (!where.includes(secret)) return
      const around = where.slice(Math.max(0, where.indexOf(secret) - 80), where.indexOf(secret))
      this.reportViolation(new Violation('secrets-kept', `${what} stands after ${JSON.stringify(around)}`))
    }
    for (const secret of secrets) isSaid('a token or key', secret, `${records}\n${documents}`)
    // The status of a box has the codes that people carry: nothing else has.
    for (const code of this.#codes) isSaid('a code', code, records)
  }

  /** Every box gives back what it has; what belongs to nobody any more is removed by people. */
  async #returnAll(): Promise<void> {
    this.#log('—', 'everything is given back')
    for (const box of this.#devices) {
      await box.act((agent) => agent.deregister({ wait: false }))
      box.tick()
    }
    await this.#timeline.runUntil(this.#timeline.now() + HOUR, this.#isOver)
    if (this.#isOver()) return
    for (const box of this.#devices) {
      const position = box.agent?.snapshot
      const { registration = null, registering = null } = position?.context ?? {}
      if (registration !== null || registering !== null)
        this.reportViolation(
          new Violation('recovers-within-bound', `${box.name} has not let go of its registration`),
        )
    }
    for (const one of this.#authorities) await this.#assertNothingLeft(one)
  }

  async #assertNothingLeft(one: SimulatedAuthority): Promise<void> {
    await one.act(async (authority) => {
      for (const instance of await authority.instances.list()) {
        if (instance.satellite !== null) continue
        if (instance.reservation !== null)
          await authority.reservations.writeOff(instance.id, { reason: 'the end', by: 'somebody' })
        else if (
          this.#devices.some(
            ({ serial, copied, abandoned }) => serial === instance.udi.serial && (copied || abandoned),
          )
        )
          await authority.instances.remove(instance.id)
        else
          this.reportViolation(
            new Violation(
              'nothing-lost',
              `${instance.udi.serial} has given everything back, and is an instance still`,
            ),
          )
      }
      for (const { tag, inUse, reserved, virtualAccount } of await authority.licenses.list())
        if (!one.isSatelliteAccount(virtualAccount) && inUse + reserved !== 0)
          this.reportViolation(
            new Violation(
              'nothing-lost',
              `${inUse + reserved} of ${tag} of ${virtualAccount} are nobody's, and not free`,
            ),
          )
    })
    await one.check()
  }

  async #perform(action: Action): Promise<void> {
    if (!('box' in action)) {
      await this.#performElsewhere(action)
      return
    }
    const box = this.#devices[action.box]
    if (box) await this.#performOnDevice(box, this.#getHome(action.box), action)
  }

  async #performOnDevice(
    box: SimulatedDevice,
    home: SimulatedAuthority,
    action: DeviceAction,
  ): Promise<void> {
    const now = this.#timeline.now()
    switch (action.kind) {
      case 'register': {
        const { tokens } = home
        const token = tokens[action.token % Math.max(1, tokens.length)]
        if (token) await box.act((agent) => agent.register(token.token, { force: action.force, wait: false }))
        break
      }
      case 'deregister':
        await box.act((agent) => agent.deregister({ wait: false }))
        break
      case 'renew-registration':
        await box.act((agent) => agent.renewRegistration({ wait: false }))
        break
      case 'renew-authorization':
        await box.act((agent) => agent.renewAuthorization({ wait: false }))
        break
      case 'use':
        box.use(action.tag, action.count)
        break
      case 'change-transport':
        await box.act((agent) => {
          const url = 'https://authority.test'
          agent.transport.set(
            action.transport === 'proxy'
              ? { kind: 'proxy', url, via: 'http://proxy.test:3128' }
              : { kind: action.transport, url },
          )
        })
        break
      case 'remove-instance':
      case 'transfer-instance':
        await home.act(async (authority) => {
          const found = (await authority.instances.list()).find(({ udi }) => udi.serial === box.serial)
          if (!found) return
          if (action.kind === 'remove-instance') await authority.instances.remove(found.id)
          else
            await authority.instances.transfer(found.id, {
              to: found.virtualAccount === VIRTUAL_ACCOUNTS[0] ? VIRTUAL_ACCOUNTS[1] : VIRTUAL_ACCOUNTS[0],
              confirmed: true,
            })
        })
        break
      case 'power-cut':
        box.schedulePowerOff(action.after, action.off)
        break
      case 'restart':
        await box.restart(action.off, action.reboot)
        break
      case 'suspend':
        box.sleep(action.for)
        break
      case 'set-clock':
        box.computer.clock.shift(action.by)
        break
      case 'drift':
        box.computer.clock.rate = action.rate
        break
      case 'full-disk':
        box.computer.fillDisk(action.for)
        break
      case 'keep-copy':
        box.keepCopy()
        break
      case 'restore-copy':
        await box.restoreCopy()
        break
      case 'cut-off':
        box.link.disconnect(now + action.for)
        break
      case 'degrade-network':
        box.link.degrade(action, now + action.for)
        break
      case 'fault':
        box.link.scheduleFault(action.fault, action.times)
        break
      default:
        await this.#performOffline(box, home, action)
    }
    box.tick()
  }

  /** What people carry between a box and its authority. */
  async #performOffline(
    box: SimulatedDevice,
    home: SimulatedAuthority,
    action: OfflineAction,
  ): Promise<void> {
    const { papers } = box
    switch (action.kind) {
      case 'upgrade':
        await box.upgrade(action.version)
        return
      case 'reservation-request':
        await box.act(async (agent) => {
          papers.request = await agent.reservation.request()
        })
        return
      case 'reservation-cancel':
        await box.act((agent) => agent.reservation.cancel())
        return
      case 'reserve': {
        const { request } = papers
        if (request === null) return
        const free = await this.#countFree(home)
        const issued = await home.act((authority) =>
          authority.reservations.reserve({
            request,
            licenses: { HOST: action.count },
            virtualAccount: VIRTUAL_ACCOUNTS[0],
          }),
        )
        if (!issued) return
        if (free !== null && action.count > free)
          this.reportViolation(
            new Violation(
              'reserved-is-owned',
              `${action.count} of HOST were reserved, and ${free} were free`,
            ),
          )
        papers.instanceId = issued.instanceId
        papers.files.push(issued.file)
        return
      }
      case 'reservation-update': {
        const { instanceId } = papers
        if (instanceId === null) return
        const issued = await home.act((authority) =>
          authority.reservations.update(instanceId, { HOST: action.count }),
        )
        if (issued) papers.files.push(issued.file)
        return
      }
      case 'reservation-install':
      case 'reservation-discard': {
        const file = papers.files.at(-1)
        if (file === undefined) return
        await box.act(async (agent) => {
          if (action.kind === 'reservation-discard')
            papers.returnCode = (await agent.reservation.discard(file)).returnCode
          else if (agent.status().reservation.status === 'installed') await agent.reservation.update(file)
          else await agent.reservation.install(file)
        })
        await this.#confirmUpdate(box, home)
        return
      }
      case 'reservation-return':
        await box.act(async (agent) => {
          papers.returnCode = await agent.reservation.returnCode()
          await agent.reservation.return()
        })
        if (papers.returnCode !== null) this.#codes.add(papers.returnCode)
        return
      case 'reservation-take-back': {
        const { instanceId, returnCode } = papers
        if (instanceId === null || returnCode === null) return
        await home.act((authority) => authority.reservations.acceptReturnCode(instanceId, returnCode))
        return
      }
    }
  }

  /** Carries the confirmation code of an update back to the authority. */
  async #confirmUpdate(box: SimulatedDevice, home: SimulatedAuthority): Promise<void> {
    const { instanceId } = box.papers
    const code = box.agent?.status().reservation.confirmationCode ?? null
    if (instanceId === null || code === null) return
    this.#codes.add(code)
    await home.act((authority) => authority.reservations.confirm(instanceId, code))
  }

  /** Licenses of the default virtual account that may be reserved; null while nobody can say. */
  async #countFree(home: SimulatedAuthority): Promise<number | null> {
    const licenses = await home.act((authority) => authority.licenses.list())
    return (
      licenses?.find(({ tag, virtualAccount }) => tag === 'HOST' && virtualAccount === VIRTUAL_ACCOUNTS[0])
        ?.available ?? null
    )
  }

  async #performElsewhere(action: Exclude<Action, DeviceAction>): Promise<void> {
    const authority = this.#authority
    switch (action.kind) {
      case 'authority-power-cut':
        this.#getAuthority(action.authority).schedulePowerOff(action.after, action.off)
        return
      case 'authority-away':
        this.#getAuthority(action.authority).becomeUnreachable(this.#timeline.now() + action.for)
        return
      case 'authority-full-disk':
        this.#getAuthority(action.authority).computer.fillDisk(action.for)
        return
      case 'authority-set-clock':
        this.#getAuthority(action.authority).computer.clock.shift(action.by)
        return
      case 'satellite-cut-off':
        this.#getAuthority(action.satellite).link?.disconnect(this.#timeline.now() + action.for)
        return
      case 'degrade-satellite-network':
        this.#getAuthority(action.satellite).link?.degrade(action, this.#timeline.now() + action.for)
        return
      case 'synchronize':
        this.#getAuthority(action.satellite).synchronize()
        return
      case 'give-licenses':
        await this.#transferLicenses(action, `SAT-${action.satellite}`)
        return
      case 'order':
        await authority.act((open) =>
          open.orders.create({
            tag: action.tag,
            quantity: action.quantity,
            virtualAccount: VIRTUAL_ACCOUNTS[0],
            ...(action.days !== null && { days: action.days }),
          }),
        )
        return
      case 'new-token':
        for (const one of this.#authorities) await one.createToken(VIRTUAL_ACCOUNTS[0])
        return
      case 'revoke-token': {
        const token = authority.tokens[0]
        if (!token) return
        const revoked = await authority.act((open) => open.tokens.revoke(token.id))
        if (revoked && authority.tokens.length > 1) authority.tokens.shift()
        return
      }
      case 'transfer-licenses':
        await this.#transferLicenses(action, VIRTUAL_ACCOUNTS[1])
        return
      case 'rotate':
        await authority.act(async (open) => {
          if (action.what === 'signer') await open.security.trust.rotate(['answer-signer'])
          else await open.security.trust.rotateIssuingCa()
        })
        return
    }
  }

  /** Licenses of the default virtual account are moved to another. */
  async #transferLicenses({ tag, quantity }: { tag: string; quantity: number }, to: string): Promise<void> {
    await this.#authority.act((open) =>
      open.licenses.transfer({ tag, quantity, from: VIRTUAL_ACCOUNTS[0], to, confirmed: true }),
    )
  }

  #getAuthority(number: number): SimulatedAuthority {
    return this.#authorities[number] ?? this.#authority
  }

  async close(): Promise<void> {
    for (const box of this.#devices) await box.close()
    for (const one of this.#authorities) await one.close()
  }
}
