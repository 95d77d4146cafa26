import type { Authority } from '../src/authority/index.ts'
import type { ProfileInput } from '../src/core/profile.ts'
import type { FaultName } from '../src/faults/index.ts'
import type { OpenOptions, SmartAgent } from '../src/index.ts'
import type { Deadlines } from '../src/transports/connection.ts'
import type { TransportSettings } from '../src/transports/transport.ts'
import type { MockRequest, PlannedAnswerFault } from './authority-parts.ts'
import type { Duration } from './durations.ts'
import type { FaultNetwork } from './network/fault-network.ts'
import type { PlannedConnectionFault } from './network/fault-schedule.ts'
import type { ProxyOptions } from './network/proxy-server.ts'
import type { TimelineEntry } from './timeline.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Fault by its name, or with the conditions under which it occurs. */
export type BedFault = FaultName | PlannedAnswerFault | PlannedConnectionFault

export interface TestBedOptions<
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
> extends Pick<OpenOptions<Api, StatusPart, Tag>, 'module' | 'logger' | 'inspect'> {
  /** Profile of the product. Default: that of the module, or else the conferencing profile */
  readonly profile?: ProfileInput<Tag>
  /** Default: product `TEST` with the serial number `TEST-1` and version 1.0 */
  readonly product?: OpenOptions['product']
  /** Purchased licenses, by tag. Default: none */
  readonly licenses?: Readonly<Partial<Record<Tag, number>>>
  /** Faults from the beginning. `setFaults` replaces them. */
  readonly faults?: readonly BedFault[]
  /** Route of the agent. Default: proxy if `proxy` is given, else direct */
  readonly transport?: TransportSettings['kind']
  /** Time limits of an exchange and its steps, in milliseconds of the virtual clock. */
  readonly deadlines?: Partial<Deadlines>
  /** Proxy of the network: its port, such as 3128, its user, and the product whose answers it imitates. */
  readonly proxy?: ProxyOptions
  /** True for a satellite between the device and the manager. Default: false */
  readonly satellite?: boolean
  /** Time at which the virtual clock starts. Default: now */
  readonly start?: Date | string | number
  /** Random numbers from 0 up to 1, for faults with a probability. Default: Math.random */
  readonly random?: () => number
}

/** Agent, authority, virtual clock and network of one test. */
export interface TestBed<Api = unknown, StatusPart extends object = object, Tag extends string = string> {
  readonly agent: SmartAgent<Api, StatusPart, Tag>
  /** Manager, with its orders, tokens, instances and events. */
  readonly authority: Authority
  /** Satellite that answers the device. Null without one */
  readonly satellite: Authority | null
  readonly clock: VirtualClock
  readonly network: FaultNetwork
  /** Root certificate of the authority, and certificate of the network's TLS, for another agent on this network: PEM. */
  readonly trust: { readonly trust: string; readonly tlsCa: string }
  /** Directory of the agent's data. */
  readonly dataDir: string
  /** Requests that came to the license server, oldest first. */
  readonly requests: readonly MockRequest[]
  /** Creates a registration token for one use. */
  token(): Promise<string>
  /** Registers the agent with a new token. Rejects with the failure of the first attempt. */
  register(): Promise<void>
  /**
   * Lets time pass, from one due date of the agent to the next, as on a device that is always on. Each exchange ends before time
   * goes on.
   *
   * @param options.step time that passes at least between two heartbeats, for long outages with thousands of attempts. What is
   * due meanwhile happens once. Default: `1s`
   */
  advance(duration: Duration, options?: { readonly step?: Duration }): Promise<void>
  /** Reports changed usage, and waits until no request is in progress. Failures are those of the agent. */
  settle(): Promise<void>
  /**
   * Replaces all faults: those of answers, and at most one of names, connections or the proxy. Without arguments, all is well.
   *
   * @throws TypeError for an unknown name
   */
  setFaults(...faults: readonly BedFault[]): Promise<void>
  /** Closes the agent, and opens it again with the same data, as after a restart of the product. */
  restart(): Promise<void>
  /** Lists everything that happened so far, oldest first: changes of the state, notices, requests and faults. */
  timeline(): TimelineEntry[]
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
