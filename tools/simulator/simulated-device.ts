import { toRegionPath, nextDeadline, type AgentSnapshot, getLicenseState } from '../../machines/index.ts'
import { type AgentLogger, type OpenOptions, SmartAgent, type Transition } from '../../src/index.ts'
import { toLicensingError, LicensingError } from '../../src/core/errors.ts'
import { HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { isHigherVersion } from '../../src/core/product-version.ts'
import { Computer } from './computer.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedDisk } from './disk.ts'
import { type RequestHandler, SimulatedLink } from './network.ts'
import type { EventScheduler } from './event-scheduler.ts'
import { type Invariant, Violation, formatErrorWithStack } from './invariants.ts'

/** What of the outside world a box needs: what is said goes there, and what is wrong. */
export interface Environment {
  readonly timeline: EventScheduler
  readonly random: SeededRandom
  readonly answering: RequestHandler
  readonly trust: () => string
  readonly log: (who: string, what: string) => void
  readonly say: (text: string) => void
  readonly violated: (violation: Violation) => void
  /** Milliseconds after which a box to which nothing happens beats again. */
  readonly slowestBeat: number
}

/** Product version a box is delivered with. */
const VERSION = '4.0'
/** What an agent charges of the evaluation for being opened. */
const OPENING_SECONDS = 60

/** One box: its computer, its agent as long as there is power, its road, and what it must not forget. */
export class SimulatedDevice {
  readonly name: string
  readonly computer: Computer
  readonly link: SimulatedLink
  /** Its program, while it runs. */
  agent: SmartAgent | null = null
  /** What the product says it uses; where a crash came between, either of two counts. */
  readonly #used = new Map<string, readonly number[]>()
  /** Whether its data directory is a copy of an earlier one, or was. */
  copied = false
  /** What people have noted down or carry about of its reservations. */
  readonly papers: {
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
  /** Whether it ever let go of what it had, or asked for, without its authority having agreed: people remove that there. */
  abandoned = false
  /** Deadlines the authority gave, by the messages it gave them in: the latest counts. */
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
  #beats = 0
  #upgraded = false
  #version = VERSION
  /** The highest version that the product was opened with. */
  #opened = VERSION
  #restless = 0

  constructor(number: number, environment: Environment) {
    this.name = `box ${number + 1}`
    this.#serial = `BOX-${number + 1}`
    this.#environment = environment
    const { timeline, random, answering } = environment
    this.computer = new Computer(`box-${number + 1}`, timeline, random)
    this.link = new SimulatedLink({
      box: this.computer,
      timeline,
      random,
      answering,
      after: () => this.scheduleTick(),
      log: (what) => {
        environment.log(this.name, what)
      },
    })
  }

  get serial(): string {
    return this.#serial
  }

  #violate(invariant: Invariant, message: string): void {
    this.#environment.violated(new Violation(invariant, `${this.name}: ${message}`))
  }

  /** The program starts, on a computer that has power. */
  async start(): Promise<void> {
    const { generation } = this.computer
    const lines = (message: string) => {
      this.#environment.say(message)
    }
    const logger: AgentLogger = { info: lines, warn: lines, error: lines, debug: lines }
    const options: OpenOptions = {
      dataDir: this.computer.disk.directory,
      product: { pid: 'CONF-SERVER', version: this.#version, serial: this.#serial },
      trust: this.#environment.trust(),
      clock: this.computer.clock,
      heartbeat: false,
      logger,
      createTransport: () => this.link.transport(),
    }
    try {
      const agent = await SmartAgent.open({
        ...options,
        ...(this.agent === null &&
          this.#openings === 0 && { transport: { kind: 'direct', url: 'https://authority.test' } }),
      })
      if (this.computer.generation !== generation) return
      this.agent = agent
      // The one time that an evaluation begins anew within an opening.
      if (isHigherVersion(this.#version, this.#opened)) {
        this.#opened = this.#version
        this.#renewEvaluation()
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
      else this.#violate('state-readable', `the agent does not open: ${code}: ${message}`)
    }
  }

  #checkAfterOpening(agent: SmartAgent): void {
    const last = this.#lastTransition
    if (last && hasRegistration(last.position) && !hasRegistration(agent.snapshot)) this.abandoned = true
    if (!last || this.copied || last.event === 'opening' || last.event === 'tick') return
    const there = agent.history(50).some(({ event, at }) => event === last.event && at === last.at)
    if (!there) this.#violate('notified-is-durable', `${last.event} was told, and is not in the history`)
  }

  #onTransition({ before, after, event, at, notices }: Transition): void {
    const last = this.#lastTransition?.position
    if (last && JSON.stringify(last.value) !== JSON.stringify(before.value))
      this.#violate(
        'transitions-valid',
        `from ${formatPosition(before)}, which it was not in: it was in ${formatPosition(last)}`,
      )
    if (event.type.endsWith('.accepted') && this.link.foreign)
      this.#violate('own-answer', `${event.type} by the answer to an earlier request`)
    const [from, to] = [formatPosition(before), formatPosition(after)]
    if (from !== to || event.type !== 'tick')
      this.#environment.log(
        this.name,
        from === to ? `${event.type} (${to})` : `${event.type}: ${from} → ${to}`,
      )
    for (const { message } of notices) this.#environment.say(message)
    if (event.type === 'upgrade' && event.evaluate) this.#renewEvaluation()
    if (hasRegistration(before) && !hasRegistration(after) && event.type !== 'deregister.accepted')
      this.abandoned = true
    this.#lastTransition = { position: after, event: event.type, at }
  }

  /** The power goes, at once or at some write. */
  schedulePowerOff(after: number, off: number): void {
    if (this.computer.power === 'off') return
    this.computer.schedulePowerOff(after, () => {
      this.#losePower(`loses power at write ${after}, for ${Math.round(off / SECOND)} s`)
      this.computer.schedule(off, () => this.#boot())
    })
  }

  #losePower(how: string): void {
    this.#environment.log(this.name, how)
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

  /** Is shut down in order, and starts again. */
  async restart(off: number, reboot: boolean): Promise<void> {
    if (this.computer.power !== 'on') return
    this.computer.generation++
    const { agent, computer } = this
    const { generation } = computer
    this.#charge()
    this.agent = null
    await this.#end(agent)
    // The power may go on the way.
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

  /** The program ends in order, as far as it can; what it leaves open is closed by its end. */
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

  /** The data directory as it is now is put aside. */
  keepCopy(): void {
    if (this.computer.power === 'off') return
    this.#savedDisk?.remove()
    this.#savedDisk = this.computer.disk.copy()
  }

  /** The data directory that was put aside takes the place of the present one. */
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

  /** Everything that stands in its way is out of it. */
  async restore(): Promise<void> {
    const { computer } = this
    this.link.restore()
    computer.restore()
    if (this.agent === null) {
      computer.generation++
      await this.start()
    }
  }

  /** A person does something with it. What it may be refused is a part of life. */
  async act(what: (agent: SmartAgent) => unknown): Promise<void> {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    try {
      await this.#environment.timeline.track(Promise.resolve(what(agent)))
    } catch (error) {
      if (this.computer.generation !== generation) return
      const failure = toLicensingError(error)
      this.#environment.say(failure.message)
      this.#environment.log(this.name, `is told ${failure.code}`)
      this.#checkError(error)
    }
  }

  /** The product says what it uses. */
  use(tag: string, count: number): void {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const before = this.#used.get(tag) ?? [agent.snapshot.context.usage.counts[tag] ?? 0]
    try {
      // Where the power goes meanwhile, it may be on disk or not.
      this.#used.set(tag, [...before, count])
      agent.setUsage(tag, count)
      if (this.computer.generation === generation) this.#used.set(tag, [count])
    } catch (error) {
      if (this.computer.generation !== generation) return
      this.#used.set(tag, before)
      this.#environment.log(this.name, `is told ${toLicensingError(error).code}`)
      this.#checkError(error)
    }
  }

  /** A failure that must not be: one that nobody foresaw. */
  #checkError(error: unknown): void {
    if (!(error instanceof LicensingError) || error.code === 'INTERNAL')
      this.#violate('errors-closed', formatErrorWithStack(error))
  }

  /** Lets the time that passed count, and starts on what it made due. */
  tick(): void {
    const { agent } = this
    const { generation } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const trouble = (error: unknown) => {
      if (this.computer.generation !== generation || this.agent !== agent) return
      this.#checkError(error)
    }
    try {
      agent.tick()
      this.#checkDeadline(agent)
    } catch (error) {
      trouble(error)
    }
    // Taken with what may have died meanwhile: it is looked at when it has come to its end.
    if (this.agent === agent) agent.idle().catch(trouble)
    this.#environment.timeline.scheduleAfter(0, () => this.scheduleTick())
  }

  /** After anything has happened to it: is all as it must be, and when is something due? */
  scheduleTick(): void {
    const { agent } = this
    if (!agent || this.computer.power !== 'on') return
    this.#check(agent)
    const beat = ++this.#beats
    const { generation } = this.computer
    const due = nextDeadline(agent.snapshot)
    const until = due === null ? Infinity : due - agent.now
    // What is due and does not get done, on a full disk say, is tried with the next beat.
    this.#restless = until <= 0 ? this.#restless + 1 : 0
    const { slowestBeat } = this.#environment
    const wait = this.#restless > 3 ? MINUTE : Math.min(slowestBeat, Math.max(until, SECOND / 20))
    this.#environment.timeline.scheduleAfter(wait, () => {
      if (this.#beats === beat && this.computer.generation === generation) this.tick()
    })
  }

  #check(agent: SmartAgent): void {
    const { snapshot } = agent
    const { context } = snapshot
    const word = getLicenseState(snapshot.value)
    if (
      this.#lastTransition &&
      this.#lastTransition.position.value !== snapshot.value &&
      JSON.stringify(this.#lastTransition.position.value) !== JSON.stringify(snapshot.value)
    )
      this.#violate('transitions-valid', `it is in ${formatPosition(snapshot)}, and no transition led there`)
    this.#checkEvaluation(context.evaluation.remainingSeconds, context.periods.evaluationSeconds)
    for (const [tag, counts] of this.#used) {
      const known = context.usage.counts[tag] ?? 0
      if (!counts.includes(known))
        this.#violate(
          'usage-remembered',
          `${counts.join(' or ')} of ${tag} are in use, and it knows of ${known}`,
        )
      else if (counts.length > 1) this.#used.set(tag, [known])
    }
    const { deadlineAt } = context.authorization
    if (
      (word === 'authorized' || word === 'out-of-compliance') &&
      deadlineAt !== null &&
      deadlineAt > this.deadline
    )
      this.#violate('deadline-kept', 'it believes in a deadline that nobody gave it')
    if (agent.status().state !== word)
      this.#violate('transitions-valid', `its status says ${agent.status().state}, its chart ${word}`)
  }

  /** Right after a beat. */
  #checkDeadline(agent: SmartAgent): void {
    const word = getLicenseState(agent.snapshot.value)
    const { deadlineAt } = agent.snapshot.context.authorization
    if (
      (word === 'authorized' || word === 'out-of-compliance') &&
      deadlineAt !== null &&
      agent.now >= deadlineAt
    )
      this.#violate('deadline-kept', `it is ${word} at its deadline or after it`)
  }

  #checkEvaluation(left: number, all: number): void {
    if (this.#evaluation !== null && left > this.#evaluation && !this.copied)
      this.#violate('evaluation-spent-once', `${left - this.#evaluation} s of evaluation were given back`)
    this.#evaluation = left
    const on = this.#onFor + (this.#onSince === null ? 0 : this.#environment.timeline.now() - this.#onSince)
    // A clock that is fast by a hundredth uses a hundredth more.
    const most = (on / SECOND) * 1.01 + this.#openings * OPENING_SECONDS + OPENING_SECONDS
    if (all - left > most && !this.copied && !this.#upgraded)
      this.#violate(
        'evaluation-charged-fairly',
        `${all - left} s are used up, and it was on for ${Math.round(most)} s at most`,
      )
  }

  #renewEvaluation(): void {
    this.#evaluation = null
    this.#upgraded = true
  }

  /** The product is upgraded, and starts again; a lower version is what somebody types. */
  async upgrade(version: string): Promise<void> {
    if (isHigherVersion(version, this.#version)) {
      this.#version = version
      await this.restart(0, false)
      return
    }
    await this.act((agent) => {
      const { generation } = this.computer
      // It waits for its authority, as people do: nobody waits for it here.
      agent.upgrade(version).catch((error: unknown) => {
        if (this.computer.generation === generation && this.agent === agent) this.#checkError(error)
      })
    })
  }

  /** What it says about itself to whoever may ask, the codes that people carry among it. */
  listDocuments(): string[] {
    const { agent } = this
    return agent ? [JSON.stringify(agent.status()), JSON.stringify(agent.explain())] : []
  }

  /** What it keeps of what happened. */
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

/** Whether there is a registration, or an attempt at one, that its authority may know of. */
const hasRegistration = ({ context }: AgentSnapshot): boolean =>
  context.registration !== null || context.registering !== null

/** Where a chart stands, in a word for each axis. */
export const formatPosition = ({ value }: AgentSnapshot): string =>
  `${getLicenseState(value)} (${toRegionPath(value.registration)}, ${toRegionPath(value.license)}, ${JSON.stringify(value.link).replaceAll('"', '')})`
