import type { ModuleAgent, ModuleState, ProductModule } from '../agent/product-module.ts'
import { type Conferencing, conferencingCommands } from './commands.ts'
import { DeploymentApi } from './deployment-api.ts'
import { HOSTS_SCHEMA } from './host-ledger.ts'
import { HostLicenses } from './hosts-api.ts'
import { MEETINGS_SCHEMA } from './meetings.ts'
import { MeetingsApi } from './meetings-api.ts'
import { conferencingProfile } from './profile.ts'
import type { Size } from './settings.ts'
import { ConferencingState, type ConferencingStatus } from './state.ts'

/** State of the module that also creates its interface. */
class ConferencingModule extends ConferencingState implements ModuleState<Conferencing, ConferencingStatus> {
  createApi(agent: ModuleAgent): Conferencing {
    return {
      hosts: new HostLicenses(this, agent),
      meetings: new MeetingsApi(this, agent),
      system: new DeploymentApi(this, agent),
    }
  }
}

/**
 * Creates the conferencing module.
 *
 * @param options `size`: deployment size of a new data directory, which `agent.module.system.resize` changes. Default: small
 * @example
 * const agent = await SmartAgent.open({ dataDir, product, module: conferencing({ size: 'large' }) })
 * await agent.module.hosts.assign('ann@example.com')
 */
export const conferencing = ({ size = 'small' }: { size?: Size } = {}): ProductModule<
  Conferencing,
  ConferencingStatus
> => ({
  name: 'conferencing',
  profile: conferencingProfile,
  migrations: [HOSTS_SCHEMA + MEETINGS_SCHEMA],
  commands: conferencingCommands,
  openState: (storage) => new ConferencingModule(storage, { size }),
})
