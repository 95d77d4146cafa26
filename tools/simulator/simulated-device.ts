import { toRegionPath, nextDeadline, type AgentSnapshot, getLicenseState } from '../../machines/index.ts'
import { type AgentLogger, type OpenOptions, SmartAgent, type Transition } from '../../src/index.ts'
import type { ProductProfile } from '../../src/core/profile.ts'
import { toLicensingError, LicensingError } from '../../src/core/errors.ts'
import { HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { isHigherVersion } from '../../src/core/product-version.ts'
import { Computer } from './computer.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedDisk } from './disk.ts'
import { type RequestHandler, SimulatedLink } from './network.ts'
import type { EventScheduler } from './event-scheduler.ts'
import { type Invariant, Violation, formatErrorWithStack } from './invariants.ts'
import { takesSameTransition } from './exported-machine.ts'

/** Environment of a simulated device. */
export interface Environment {
  readonly timeline: EventScheduler
  readonly random: SeededRandom
  readonly answering: RequestHandler
  readonly trust: () => string
  /** Profile of the product. Undefined for the conferencing profile. */
  readonly profile: ProductProfile | undefined
  readonly log: (subject: string, message: string) => void
  readonly recordOutput: (text: string) => void
  readonly violated: (violation: Violation) => void
  /** Milliseconds between ticks while nothing is due. */
  readonly maxTickInterval: number
}

/** Initial product version. */
const VERSION = '4.0'
/** Evaluation time that the agent may charge for each opening. */
const OPENING_SECONDS = 60

/** Simulated computer with a real agent and its link. Checks the invariants of the device. */
export class SimulatedDevice {
  readonly name: string
  readonly computer: Computer
  readonly link: SimulatedLink
  /** The running agent. Null while the device is off or the agent does not run. */
  agent: SmartAgent | null = null
  /** Declared usage by tag. After a crash, the count before or after the interrupted change is valid. */
  readonly #used = new Map<string, readonly number[]>()
  /** True once the data directory was restored from a copy. */
  copied = false
  /** Codes and files of offline reservations that users exchange. */
  readonly offline: {
    request: string | null
    instanceId: string | null
    readonly files: string[]
    returnCode: string | null
  } = {
    request: null,
    instanceId: null,
    files: [],
    returnCode: null,
  }
  /** True once the device dropped a registration without the authority's agreement. Administrators remove such instances. */
  abandoned = false
  /** Latest authorization deadline in the authority's answers. */
  deadline = -Infinity
  readonly #environment: Environment
  readonly #serial: string
  #savedDisk: SimulatedDisk | null = null
  #lastTransition: { readonly position: AgentSnapshot; readonly event: string; readonly at: number } | null =
    null
  #evaluation: number | null = null
  #openings = 0
  #onFor = 0
  #onSince: number | null = null
  #tickNumber = 0
  #upgraded = false
  #version = VERSION
  /** Highest version that the product was opened with. */
  #highestVersion = VERSION
  /** Consecutive ticks at which an overdue deadline remained. */
  #overdueTicks = 0

  constructor(number: number, environment: Environment) {
    this.name = `device ${number + 1}`
    this.#serial = `DEV-${number + 1}`
    this.#environment = environment
    const { timeline, random, answering } = environment
    this.computer = new Computer(`device-${number + 1}`, timeline, random)
    this.link = new SimulatedLink({
      device: this.computer,
      timeline,
      random,
      answering,
      after: () => this.scheduleTick(),
      log: (message) => {
        environment.log(this.name, message)
      },
    })
  }

  get serial(): string {
    return this.#serial
  }

  #violate(invariant: Invariant, message: string): void {
    this.#environment.violated(new Violation(invariant, `${this.name}: ${message}`))
  }

  /** Opens the agent on a computer that has power. */
  async start(): Promise<void> {
    const { generation } = this.computer
    const writeLine = (message: string) => {
      this.#environment.recordOutput(message)
    }
    const logger: AgentLogger = { info: writeLine, warn: writeLine, error: writeLine, debug: writeLine }
    const options: OpenOptions = {
      dataDir: this.computer.disk.directory,
      product: { pid: 'CONF-SERVER', version: this.#version, serial: this.#serial },
      trust: this.#environment.trust(),
      clock: this.computer.clock,
      heartbeat: false,
      logger,
      createTransport: () => this.link.transport(),
      ...(this.#environment.profile && { profile: this.#environment.profile }),
    }
    try {
      const agent = await SmartAgent.open({
        ...options,
        ...(this.agent === null &&
          this.#openings === 0 && { transport: { kind: 'direct', url: 'https://authority.test' } }),
      })
      if (this.computer.generation !== generation) return
      this.agent = agent
      // Opening with a higher version is the only opening that restarts the evaluation.
      if (isHigherVersion(this.#version, this.#highestVersion)) {
        this.#highestVersion = this.#version
        this.#restartEvaluation()
      }
      this.#openings++
      this.#onSince = this.#environment.timeline.now()
      this.#checkAfterOpening(agent)
      agent.on('transition', (transition) => {
        if (this.agent === agent && this.computer.generation === generation) this.#onTransition(transition)
      })
      this.#lastTransition = { position: agent.snapshot, event: 'opening', at: 0 }
    } catch (error) {
      if (this.computer.generation !== generation) return
      const { code, message } = toLicensingError(error)
      this.#openings++
      if (code === 'STORE_FULL') this.computer.schedule(HOUR, () => this.agent === null && this.start())
      else this.#violate('state-readable', `the agent cannot be opened: ${code}: ${message}`)
    }
  }

  #checkAfterOpening(agent: SmartAgent): void {
    const last = this.#lastTransition
    if (last && hasRegistration(last.position) && !hasRegistration(agent.snapshot)) this.abandoned = true
    if (!last || this.copied || last.event === 'opening' || last.event === 'clock.tick') return
    const isRecorded = agent.history(50).some(({ event, at }) => event === last.event && at === last.at)
    if (!isRecorded)
      this.#violate(
        'notified-is-durable',
        `listeners were notified of ${last.event}, but it is not in the history`,
      )
  }

  #onTransition({ before, after, event, at, notices }: Transition): void {
    const last = this.#lastTransition?.position
    if (last && JSON.stringify(last.value) !== JSON.stringify(before.value))
      this.#violate(
        'transitions-valid',
        `a transition starts in ${formatPosition(before)}, but the state was ${formatPosition(last)}`,
      )
    if (!takesSameTransition(before, event, after))
      this.#violate('chart-elsewhere', `the exported machine takes another transition for ${event.type}`)
    if (event.type.endsWith('.accepted') && this.link.foreign)
      this.#violate('own-answer', `${event.type} was caused by the answer to an earlier request`)
    const [from, to] = [formatPosition(before), formatPosition(after)]
    if (from !== to || event.type !== 'clock.tick')
      this.#environment.log(
        this.name,
        from === to ? `${event.type} (${to})` : `${event.type}: ${from} → ${to}`,
      )
    for (const { message } of notices) this.#environment.recordOutput(message)
    if (event.type === 'product.upgrade' && event.evaluate) this.#restartEvaluation()
    if (hasRegistration(before) && !hasRegistration(after) && event.type !== 'deregister.accepted')
      this.abandoned = true
    this.#lastTransition = { position: after, event: event.type, at }
  }

  /** Schedules a power loss at a later write, and the following boot. */
  schedulePowerOff(after: number, off: number): void {
    if (this.computer.power === 'off') return
    this.computer.schedulePowerOff(after, () => {
      this.#losePower(`loses power at write ${after}, for ${Math.round(off / SECOND)} s`)
      this.computer.schedule(off, () => this.#boot())
    })
  }

  #losePower(message: string): void {
    this.#environment.log(this.name, message)
    this.#charge()
    this.agent = null
  }

  #charge(): void {
    if (this.#onSince !== null) this.#onFor += this.#environment.timeline.now() - this.#onSince
    this.#onSince = null
  }

  async #boot(): Promise<void> {
    if (this.computer.power !== 'off') return
    this.computer.boot()
    await this.start()
    this.scheduleTick()
  }

  /** Stops the agent in order and starts it again, with or without a reboot. */
  async restart(off: number, reboot: boolean): Promise<void> {
    if (this.computer.power !== 'on') return
    this.computer.generation++
    const { agent, computer } = this
    const { generation } = computer
    this.#charge()
    this.agent = null
    await this.#end(agent)
    // The power may have failed in the meantime.
    if (computer.generation !== generation) return
    if (reboot) {
      computer.power = 'off'
      computer.clock.powerOff()
      computer.schedule(off, () => this.#boot())
      return
    }
    computer.clock.restart()
    await this.start()
  }

  /** Closes the agent, then the files that it left open. */
  async #end(agent: SmartAgent | null): Promise<void> {
    const { disk } = this.computer
    await agent?.close().catch(() => undefined)
    disk.release()
  }

  sleep(time: number): void {
    if (this.computer.power !== 'on') return
    this.computer.sleep()
    this.computer.schedule(time, () => {
      if (this.computer.power !== 'asleep') return
      this.computer.wake()
      this.tick()
    })
  }

  /** Saves a copy of the present data directory. */
  keepCopy(): void {
    if (this.computer.power === 'off') return
    this.#savedDisk?.remove()
    this.#savedDisk = this.computer.disk.copy()
  }

  /** Replaces the data directory by the saved copy. */
  async restoreCopy(): Promise<void> {
    if (this.computer.power !== 'on' || !this.#savedDisk) return
    this.computer.generation++
    const { agent } = this
    const { generation } = this.computer
    this.#charge()
    this.agent = null
    await this.#end(agent)
    if (this.computer.generation !== generation) return
    this.computer.replaceDisk(this.#savedDisk.copy())
    this.copied = true
    this.#evaluation = null
    this.#used.clear()
    this.computer.clock.restart()
    await this.start()
  }

  /** Removes all faults of the device and its link, and starts the agent if needed. */
  async restore(): Promise<void> {
    const { computer } = this
    this.link.restore()
    computer.restore()
    if (this.agent === null) {
      computer.generation++
      await this.start()
    }
  }

  /** Runs an action of a user. The agent may refuse it. */
  async act(action: (agent: SmartAgent) => unknown): Promise<void> {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    try {
      await this.#environment.timeline.track(Promise.resolve(action(agent)))
    } catch (error) {
      if (this.computer.generation !== generation) return
      const failure = toLicensingError(error)
      this.#environment.recordOutput(failure.message)
      this.#environment.log(this.name, `refuses with ${failure.code}`)
      this.#checkError(error)
    }
  }

  /** Declares the usage of a tag, as the product does. */
  use(tag: string, count: number): void {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const before = this.#used.get(tag) ?? [agent.snapshot.context.usage.counts[tag] ?? 0]
    try {
      // If the power fails during the call, the new count may or may not be on disk.
      this.#used.set(tag, [...before, count])
      agent.setUsage(tag, count)
      if (this.computer.generation === generation) this.#used.set(tag, [count])
    } catch (error) {
      if (this.computer.generation !== generation) return
      this.#used.set(tag, before)
      this.#environment.log(this.name, `refuses with ${toLicensingError(error).code}`)
      this.#checkError(error)
    }
  }

  /** Reports an error without a documented code, or with INTERNAL. */
  #checkError(error: unknown): void {
    if (!(error instanceof LicensingError) || error.code === 'INTERNAL')
      this.#violate('errors-closed', formatErrorWithStack(error))
  }

  /** Runs a tick of the agent, which starts work that is due. */
  tick(): void {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const handleError = (error: unknown) => {
      if (this.computer.generation !== generation || this.agent !== agent) return
      this.#checkError(error)
    }
    try {
      agent.tick()
      this.#checkDeadline(agent)
    } catch (error) {
      handleError(error)
    }
    if (this.agent === agent) agent.idle().catch(handleError)
    this.#environment.timeline.scheduleAfter(0, () => this.scheduleTick())
  }

  /** Checks the invariants and schedules the next tick. Called after every event of the device. */
  scheduleTick(): void {
    const { agent } = this
    if (!agent || this.computer.power !== 'on') return
    this.#check(agent)
    const tick = ++this.#tickNumber
    const { generation } = this.computer
    const due = nextDeadline(agent.snapshot)
    const remaining = due === null ? Infinity : due - agent.now
    // Due work that fails, for example on a full disk, is retried at the next tick.
    this.#overdueTicks = remaining <= 0 ? this.#overdueTicks + 1 : 0
    const { maxTickInterval } = this.#environment
    const wait = this.#overdueTicks > 3 ? MINUTE : Math.min(maxTickInterval, Math.max(remaining, SECOND / 20))
    this.#environment.timeline.scheduleAfter(wait, () => {
      if (this.#tickNumber === tick && this.computer.generation === generation) this.tick()
    })
  }

  #check(agent: SmartAgent): void {
    const { snapshot } = agent
    const { context } = snapshot
    const state = getLicenseState(snapshot.value)
    if (
      this.#lastTransition &&
      this.#lastTransition.position.value !== snapshot.value &&
      JSON.stringify(this.#lastTransition.position.value) !== JSON.stringify(snapshot.value)
    )
      this.#violate('transitions-valid', `no transition led to ${formatPosition(snapshot)}`)
    this.#checkEvaluation(context.evaluation.remainingSeconds, context.periods.evaluationSeconds)
    for (const [tag, counts] of this.#used) {
      const known = context.usage.counts[tag] ?? 0
      if (!counts.includes(known))
        this.#violate(
          'usage-remembered',
          `the product declared ${counts.join(' or ')} of ${tag}, but the device recorded ${known}`,
        )
      else if (counts.length > 1) this.#used.set(tag, [known])
    }
    const { deadlineAt } = context.authorization
    if (
      (state === 'authorized' || state === 'out-of-compliance') &&
      deadlineAt !== null &&
      deadlineAt > this.deadline
    )
      this.#violate('deadline-kept', 'its deadline is later than any the authority sent')
    if (agent.status().state !== state)
      this.#violate('transitions-valid', `its status is ${agent.status().state}, but its machine is ${state}`)
  }

  /** Checks the deadline right after a tick. */
  #checkDeadline(agent: SmartAgent): void {
    const state = getLicenseState(agent.snapshot.value)
    const { deadlineAt } = agent.snapshot.context.authorization
    if (
      (state === 'authorized' || state === 'out-of-compliance') &&
      deadlineAt !== null &&
      agent.now >= deadlineAt
    )
      this.#violate('deadline-kept', `it is ${state} although its deadline has passed`)
  }

  #checkEvaluation(remaining: number, total: number): void {
    if (this.#evaluation !== null && remaining > this.#evaluation && !this.copied)
      this.#violate(
        'evaluation-spent-once',
        `${remaining - this.#evaluation} s of evaluation were credited again`,
      )
    this.#evaluation = remaining
    const on = this.#onFor + (this.#onSince === null ? 0 : this.#environment.timeline.now() - this.#onSince)
    // A clock may run up to one percent fast.
    const max = (on / SECOND) * 1.01 + this.#openings * OPENING_SECONDS + OPENING_SECONDS
    if (total - remaining > max && !this.copied && !this.#upgraded)
      this.#violate(
        'evaluation-charged-fairly',
        `${total - remaining} s were charged, but it was on for ${Math.round(max)} s at most`,
      )
  }

  #restartEvaluation(): void {
    this.#evaluation = null
    this.#upgraded = true
  }

  /** Upgrades and restarts the product. A lower version is passed to the agent's own upgrade action. */
  async upgrade(version: string): Promise<void> {
    if (isHigherVersion(version, this.#version)) {
      this.#version = version
      await this.restart(0, false)
      return
    }
    await this.act((agent) => {
      const { generation } = this.computer
      // Not awaited: the upgrade ends when the authority answers.
      agent.upgrade(version).catch((error: unknown) => {
        if (this.computer.generation === generation && this.agent === agent) this.#checkError(error)
      })
    })
  }

  /** Returns the status documents. These may contain reservation codes. */
  listDocuments(): string[] {
    const { agent } = this
    return agent ? [JSON.stringify(agent.status()), JSON.stringify(agent.explain())] : []
  }

  /** Returns the texts of the history. */
  listRecords(): string[] {
    return (this.agent?.history(10_000) ?? []).map(({ detail, notices }) => `${detail} ${notices}`)
  }

  async close(): Promise<void> {
    const { agent } = this
    this.computer.generation++
    this.agent = null
    await agent?.close().catch(() => undefined)
    this.#savedDisk?.remove()
    this.computer.remove()
  }
}

/** Returns whether there is a registration, or an attempt that the authority may have received. */
const hasRegistration = ({ context }: AgentSnapshot): boolean =>
  context.registration !== null || context.registering !== null

/** Formats the state of each region of the machine. */
export const formatPosition = ({ value }: AgentSnapshot): string =>
  `${getLicenseState(value)} (${toRegionPath(value.registration)}, ${toRegionPath(value.license)}, ${value.reservation}, ${value.connection})`
