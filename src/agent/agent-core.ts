import type { ProductProfile } from '../core/profile.ts'
import { agentClosedError } from './agent-closed.ts'
import type { LicenseClock } from './license-clock.ts'
import type { AgentLogger } from './logger.ts'
import type { MachineRunner } from './machine-runner.ts'
import type { Product } from './persisted-state.ts'
import type { AgentStore } from './store.ts'

/** Objects that every service of an agent uses. */
export interface AgentCore {
  readonly store: AgentStore
  readonly clock: LicenseClock
  readonly runner: MachineRunner
  readonly device: Device
  readonly profile: ProductProfile
  readonly logger: AgentLogger
}

/** The licensed device of an open agent: its product, and whether the agent is still open. */
export class Device {
  /** Product, as stored on disk. */
  product: Product
  #closed = false

  constructor(product: Product) {
    this.product = product
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** @throws LicensingError AGENT_CLOSED */
  requireOpen(): void {
    if (this.#closed) throw agentClosedError()
  }

  close(): void {
    this.#closed = true
  }
}
