import { DAY, HOUR } from '../../src/core/time.ts'
import type { Answer, SignedMessage } from '../../src/protocol/messages.ts'
import { decodePayloadUnverified } from '../../src/pki/signed-message.ts'
import { getLicenseState } from '../../machines/index.ts'
import { SeededRandom } from './seeded-random.ts'
import { type Invariant, Violation, formatErrorWithStack } from './invariants.ts'
import { createUntrustedSigner } from './network.ts'
import {
  type Action,
  type DeviceAction,
  listTags,
  type OfflineAction,
  type Plan,
  type SimulatedTags,
} from './plan.ts'
import { useSeededUuids } from './seeded-ids.ts'
import { authorityTemplate, VIRTUAL_ACCOUNTS, SimulatedAuthority, START_TIME } from './simulated-authority.ts'
import { SimulatedDevice } from './simulated-device.ts'
import { EventScheduler } from './event-scheduler.ts'
import { formatAuthority, describeAction } from './describe-action.ts'

/** Result of a simulation. */
export interface SimulationResult {
  readonly plan: Plan
  /** Trace lines, each with its day, its time and its subject. */
  readonly lines: readonly string[]
  /** First violated invariant, with its time in milliseconds from the start. Null if all held. */
  readonly violation: { readonly invariant: Invariant; readonly message: string; readonly at: number } | null
}

/** Maximum number of trace lines: more than any run that ends. */
const MAX_TRACE_LINES = 400_000
/** Time to recover after all faults are removed: longer than any delay between attempts (`RETRY_DELAYS_MS`, `Retry-After`). */
const RECOVERY_LIMIT_MS = DAY + 5 * HOUR
/** Interval between the checks of a satellite for a due synchronization. */
const SATELLITE_TICK_INTERVAL_MS = 6 * HOUR

/**
 * Runs real agents and a real authority on virtual time, with the faults of a plan. At the end it removes all faults, checks
 * that all devices recover, and returns all licenses. The same plan gives the same result.
 */
export async function runSimulation(plan: Plan): Promise<SimulationResult> {
  await Promise.all([createUntrustedSigner(), preloadModules()])
  const template = await authorityTemplate(plan.profile)
  const random = new SeededRandom(`${plan.seed} chance`)
  useSeededUuids(new SeededRandom(`${plan.seed} ids`))
  const simulation = new Simulation(plan, random)
  const onRejection = (error: unknown) => {
    // Code of a program that lost power may reject promises that no one awaits any more.
    if (!isAbandonedProcessError(error))
      simulation.reportViolation(
        new Violation('errors-closed', `unhandled rejection: ${formatErrorWithStack(error)}`),
      )
  }
  process.on('unhandledRejection', onRejection)
  try {
    return await simulation.run(template.directory)
  } finally {
    await simulation.close()
    process.off('unhandledRejection', onRejection)
    useSeededUuids(null)
  }
}

/** Imports the modules that the programs load on demand, since file reads take real time. */
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
  readonly #tags: SimulatedTags
  /** Milliseconds between ticks and checks while nothing else happens. */
  readonly #tickInterval: number
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
    this.#tags = listTags(plan)
    // Without faults, nothing happens between deadlines.
    this.#tickInterval = plan.faults === 'none' ? 30 * DAY : DAY
    const common = {
      maxTickInterval: this.#tickInterval,
      timeline: this.#timeline,
      random,
      log: (subject: string, message: string) => {
        this.#log(subject, message)
      },
      recordOutput: (text: string) => {
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
    this.#devices = Array.from({ length: plan.devices }, (_, number) => {
      const device: SimulatedDevice = new SimulatedDevice(number, {
        ...common,
        profile: plan.profile,
        trust: () => this.#authority.trust,
        answering: async (path, body) => {
          const reply = await this.#getHome(number).answer(path, body)
          if (typeof reply !== 'string') this.#checkAnswer(device, reply.body)
          return reply
        },
      })
      return device
    })
  }

  get #authorities(): SimulatedAuthority[] {
    return [this.#authority, ...this.#satellites]
  }

  /** Returns the authority of a device. Devices are divided among the manager and its satellites. */
  #getHome(device: number): SimulatedAuthority {
    return this.#authorities[device % this.#authorities.length] ?? this.#authority
  }

  #log(subject: string, message: string): void {
    const passed = this.#timeline.now() - START_TIME
    const clock = new Date(passed).toISOString().slice(11, 23)
    this.#lines.push(`day ${String(Math.floor(passed / DAY)).padStart(4)} ${clock}  ${subject}: ${message}`)
    if (this.#lines.length > MAX_TRACE_LINES)
      this.reportViolation(new Violation('terminates', `the trace has ${MAX_TRACE_LINES} lines`))
  }

  reportViolation({ invariant, message }: Violation): void {
    if (this.#violation) return
    this.#log('INVARIANT', `${invariant}: ${message}`)
    this.#violation = { invariant, message, at: this.#timeline.now() - START_TIME }
  }

  /** Checks an answer of the authority to a device. */
  #checkAnswer(device: SimulatedDevice, body: string): void {
    const { decision } = decodePayloadUnverified(JSON.parse(body) as SignedMessage) as Answer
    if (decision.outcome === 'accepted') {
      if ('deadlineAt' in decision)
        device.deadline = Math.max(device.deadline, Date.parse(decision.deadlineAt))
    } else if (decision.code === 'INSTANCE_DIVERGED' && !device.copied)
      this.reportViolation(
        new Violation('no-false-clone', `${device.name} was never copied, but the authority reports a copy`),
      )
  }

  readonly #isOver = () => this.#violation !== null

  async run(template: string): Promise<SimulationResult> {
    this.#authority.computer.disk.copyFrom(template)
    await this.#authority.start()
    // The quantity covers the usage most of the time, but not always.
    await this.#authority.act(async (authority) => {
      for (const virtualAccount of VIRTUAL_ACCOUNTS)
        for (const tag of this.#tags)
          await authority.orders.create({ tag, quantity: 4 * this.#plan.devices, virtualAccount })
    })
    for (const virtualAccount of [VIRTUAL_ACCOUNTS[0], VIRTUAL_ACCOUNTS[0], VIRTUAL_ACCOUNTS[1]])
      await this.#authority.createToken(virtualAccount)
    for (const [number, satellite] of this.#satellites.entries())
      await this.#startSatellite(satellite, `SAT-${number + 1}`)
    for (const device of this.#devices) {
      await device.start()
      device.tick()
    }
    for (const { at, action } of this.#plan.steps)
      this.#timeline.scheduleAt(START_TIME + at, async () => {
        this.#log('—', describeAction(action))
        await this.#perform(action)
      })
    const check = async () => {
      for (const authority of this.#authorities) await authority.check()
      this.#timeline.scheduleAfter(this.#tickInterval, check)
    }
    this.#timeline.scheduleAfter(this.#tickInterval, check)
    await this.#timeline.runUntil(START_TIME + this.#plan.days * DAY, this.#isOver)
    await this.#restoreAll()
    return { plan: this.#plan, lines: this.#lines, violation: this.#violation }
  }

  /** Adds a satellite, orders its licenses, synchronizes it for the first time, and creates its first token. */
  async #startSatellite(satellite: SimulatedAuthority, name: string): Promise<void> {
    await satellite.becomeSatellite(name, this.#authority)
    await this.#authority.act(async (manager) => {
      for (const tag of this.#tags)
        await manager.orders.create({ tag, quantity: 4 * this.#plan.devices, virtualAccount: name })
    })
    const tick = () => {
      satellite.tick()
      this.#timeline.scheduleAfter(SATELLITE_TICK_INTERVAL_MS, tick)
    }
    satellite.synchronize()
    this.#timeline.scheduleAfter(SATELLITE_TICK_INTERVAL_MS, tick)
    await this.#timeline.runUntil(this.#timeline.now() + HOUR, this.#isOver)
    await satellite.createToken(VIRTUAL_ACCOUNTS[0])
  }

  /** Removes all faults, then checks that every device recovers in time and that no license is lost. */
  async #restoreAll(): Promise<void> {
    if (this.#isOver()) return
    this.#log('—', 'all faults are removed')
    for (const authority of this.#authorities) await authority.restore()
    for (const device of this.#devices) {
      await device.restore()
      device.tick()
    }
    const bound = this.#satellites.length > 0 ? 2 * RECOVERY_LIMIT_MS : RECOVERY_LIMIT_MS
    await this.#timeline.runUntil(this.#timeline.now() + bound, this.#isOver)
    if (this.#isOver()) return
    for (const device of this.#devices) this.#assertRecovered(device)
    for (const authority of this.#authorities) await authority.check()
    await this.#searchSecrets()
    if (!this.#isOver()) await this.#returnAll()
  }

  #assertRecovered(device: SimulatedDevice): void {
    const position = device.agent?.snapshot
    if (!position) {
      this.reportViolation(new Violation('recovers-within-bound', `${device.name} is not running`))
      return
    }
    const { registering, registration } = position.context
    const state = getLicenseState(position.value)
    if (registering !== null)
      this.reportViolation(new Violation('recovers-within-bound', `${device.name} is still registering`))
    // A copied device reports that it is a copy, and waits for an administrator to register it again.
    else if (
      registration !== null &&
      !device.copied &&
      state !== 'authorized' &&
      state !== 'out-of-compliance'
    )
      this.reportViolation(
        new Violation('recovers-within-bound', `${device.name} is registered, but ${state}`),
      )
  }

  async #searchSecrets(): Promise<void> {
    const tokens = this.#authorities.flatMap((authority) => authority.tokens)
    const secrets = ['PRIVATE KEY', ...tokens.map(({ token }) => token.slice(-43))]
    const records = [
      ...this.#outputs,
      ...this.#lines,
      ...this.#devices.flatMap((device) => device.listRecords()),
      ...(await Promise.all(this.#authorities.map((authority) => authority.listOutputs()))).flat(),
    ].join('\n')
    const documents = this.#devices.flatMap((device) => device.listDocuments()).join('\n')
    const search = (description: string, secret: string, text: string) => {
      if (!text.includes(secret)) return
      const before = text.slice(Math.max(0, text.indexOf(secret) - 80), text.indexOf(secret))
      this.reportViolation(
        new Violation('secrets-kept', `${description} appears after ${JSON.stringify(before)}`),
      )
    }
    for (const secret of secrets) search('a token or key', secret, `${records}\n${documents}`)
    // Only the status of a device may contain reservation codes.
    for (const code of this.#codes) search('a code', code, records)
  }

  /** Deregisters every device, and removes the instances that have no device any more. */
  async #returnAll(): Promise<void> {
    this.#log('—', 'all licenses are returned')
    for (const device of this.#devices) {
      await device.act((agent) => agent.deregister({ wait: false }))
      device.tick()
    }
    await this.#timeline.runUntil(this.#timeline.now() + HOUR, this.#isOver)
    if (this.#isOver()) return
    for (const device of this.#devices) {
      const position = device.agent?.snapshot
      const { registration = null, registering = null } = position?.context ?? {}
      if (registration !== null || registering !== null)
        this.reportViolation(
          new Violation('recovers-within-bound', `${device.name} still has its registration`),
        )
    }
    for (const authority of this.#authorities) await this.#assertNothingLeft(authority)
  }

  async #assertNothingLeft(simulated: SimulatedAuthority): Promise<void> {
    await simulated.act(async (authority) => {
      for (const instance of await authority.instances.list()) {
        if (instance.satellite !== null) continue
        if (instance.reservation !== null)
          await authority.reservations.writeOff(instance.id, { reason: 'the end', by: 'administrator' })
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
              `${instance.udi.serial} was deregistered, but still has an instance`,
            ),
          )
      }
      for (const { tag, inUse, reserved, virtualAccount } of await authority.licenses.list())
        if (!simulated.isSatelliteAccount(virtualAccount) && inUse + reserved !== 0)
          this.reportViolation(
            new Violation(
              'nothing-lost',
              `${inUse + reserved} of ${tag} of ${virtualAccount} belong to no instance, but are not available`,
            ),
          )
    })
    await simulated.check()
  }

  async #perform(action: Action): Promise<void> {
    if (!('device' in action)) {
      await this.#performAtAuthority(action)
      return
    }
    const device = this.#devices[action.device]
    if (device) await this.#performOnDevice(device, this.#getHome(action.device), action)
  }

  async #performOnDevice(
    device: SimulatedDevice,
    home: SimulatedAuthority,
    action: DeviceAction,
  ): Promise<void> {
    const now = this.#timeline.now()
    switch (action.kind) {
      case 'register': {
        const { tokens } = home
        const token = tokens[action.token % Math.max(1, tokens.length)]
        if (token)
          await device.act((agent) => agent.register(token.token, { force: action.force, wait: false }))
        break
      }
      case 'deregister':
        await device.act((agent) => agent.deregister({ wait: false }))
        break
      case 'renew-registration':
        await device.act((agent) => agent.renewRegistration({ wait: false }))
        break
      case 'renew-authorization':
        await device.act((agent) => agent.renewAuthorization({ wait: false }))
        break
      case 'use':
        device.use(action.tag, action.count)
        break
      case 'change-transport':
        await device.act((agent) => {
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
          const found = (await authority.instances.list()).find(({ udi }) => udi.serial === device.serial)
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
        device.schedulePowerOff(action.after, action.off)
        break
      case 'restart':
        await device.restart(action.off, action.reboot)
        break
      case 'suspend':
        device.sleep(action.for)
        break
      case 'set-clock':
        device.computer.clock.shift(action.by)
        break
      case 'drift':
        device.computer.clock.rate = action.rate
        break
      case 'full-disk':
        device.computer.fillDisk(action.for)
        break
      case 'keep-copy':
        device.keepCopy()
        break
      case 'restore-copy':
        await device.restoreCopy()
        break
      case 'cut-off':
        device.link.disconnect(now + action.for)
        break
      case 'degrade-network':
        device.link.degrade(action, now + action.for)
        break
      case 'fault':
        device.link.scheduleFault(action.fault, action.times)
        break
      default:
        await this.#performOffline(device, home, action)
    }
    device.tick()
  }

  /** Performs an offline action: a user takes codes and files from a device to its authority or back. */
  async #performOffline(
    device: SimulatedDevice,
    home: SimulatedAuthority,
    action: OfflineAction,
  ): Promise<void> {
    const { offline } = device
    switch (action.kind) {
      case 'upgrade':
        await device.upgrade(action.version)
        return
      case 'reservation-request':
        await device.act(async (agent) => {
          offline.request = await agent.reservation.request()
        })
        return
      case 'reservation-cancel':
        await device.act((agent) => agent.reservation.cancel())
        return
      case 'reserve': {
        const { request } = offline
        if (request === null) return
        const available = await this.#countAvailable(home, action.tag)
        const issued = await home.act((authority) =>
          authority.reservations.reserve({
            request,
            licenses: { [action.tag]: action.count },
            virtualAccount: VIRTUAL_ACCOUNTS[0],
          }),
        )
        if (!issued) return
        if (available !== null && action.count > available)
          this.reportViolation(
            new Violation(
              'reserved-is-owned',
              `${action.count} of ${action.tag} were reserved, but ${available} were available`,
            ),
          )
        offline.instanceId = issued.instanceId
        offline.files.push(issued.file)
        return
      }
      case 'reservation-update': {
        const { instanceId } = offline
        if (instanceId === null) return
        const issued = await home.act((authority) =>
          authority.reservations.update(instanceId, { [action.tag]: action.count }),
        )
        if (issued) offline.files.push(issued.file)
        return
      }
      case 'reservation-install':
      case 'reservation-discard': {
        const file = offline.files.at(-1)
        if (file === undefined) return
        await device.act(async (agent) => {
          if (action.kind === 'reservation-discard')
            offline.returnCode = (await agent.reservation.discard(file)).returnCode
          else if (agent.status().reservation.status === 'installed') await agent.reservation.update(file)
          else await agent.reservation.install(file)
        })
        await this.#confirmUpdate(device, home)
        return
      }
      case 'reservation-return':
        await device.act(async (agent) => {
          offline.returnCode = await agent.reservation.returnCode()
          await agent.reservation.return()
        })
        if (offline.returnCode !== null) this.#codes.add(offline.returnCode)
        return
      case 'reservation-take-back': {
        const { instanceId, returnCode } = offline
        if (instanceId === null || returnCode === null) return
        await home.act((authority) => authority.reservations.acceptReturnCode(instanceId, returnCode))
        return
      }
    }
  }

  /** Enters the confirmation code of an update at the authority. */
  async #confirmUpdate(device: SimulatedDevice, home: SimulatedAuthority): Promise<void> {
    const { instanceId } = device.offline
    const code = device.agent?.status().reservation.confirmationCode ?? null
    if (instanceId === null || code === null) return
    this.#codes.add(code)
    await home.act((authority) => authority.reservations.confirm(instanceId, code))
  }

  /** Returns the available licenses of a tag in the default virtual account. Null while the authority does not run. */
  async #countAvailable(home: SimulatedAuthority, wanted: string): Promise<number | null> {
    const licenses = await home.act((authority) => authority.licenses.list())
    return (
      licenses?.find(({ tag, virtualAccount }) => tag === wanted && virtualAccount === VIRTUAL_ACCOUNTS[0])
        ?.available ?? null
    )
  }

  async #performAtAuthority(action: Exclude<Action, DeviceAction>): Promise<void> {
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
        await authority.act((running) =>
          running.orders.create({
            tag: action.tag,
            quantity: action.quantity,
            virtualAccount: VIRTUAL_ACCOUNTS[0],
            ...(action.days !== null && { days: action.days }),
          }),
        )
        return
      case 'new-token':
        for (const target of this.#authorities) await target.createToken(VIRTUAL_ACCOUNTS[0])
        return
      case 'revoke-token': {
        const token = authority.tokens[0]
        if (!token) return
        const revoked = await authority.act((running) => running.tokens.revoke(token.id))
        if (revoked && authority.tokens.length > 1) authority.tokens.shift()
        return
      }
      case 'transfer-licenses':
        await this.#transferLicenses(action, VIRTUAL_ACCOUNTS[1])
        return
      case 'rotate':
        await authority.act(async (running) => {
          if (action.what === 'signer') await running.security.trust.rotate(['answer-signer'])
          else await running.security.trust.rotateIssuingCa()
        })
        return
    }
  }

  /** Transfers licenses from the default virtual account to another. */
  async #transferLicenses({ tag, quantity }: { tag: string; quantity: number }, to: string): Promise<void> {
    await this.#authority.act((running) =>
      running.licenses.transfer({ tag, quantity, from: VIRTUAL_ACCOUNTS[0], to, confirmed: true }),
    )
  }

  #getAuthority(number: number): SimulatedAuthority {
    return this.#authorities[number] ?? this.#authority
  }

  async close(): Promise<void> {
    for (const device of this.#devices) await device.close()
    for (const authority of this.#authorities) await authority.close()
  }
}
