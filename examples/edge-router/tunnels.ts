import { z } from 'zod'
import {
  defineCommand,
  defineProfile,
  LicensingError,
  type ModuleAgent,
  type ModuleState,
  type ModuleStorage,
  type ProductModule,
} from '../../src/index.ts'

/** Profile of a fictitious edge router, licensed by throughput and by open tunnels. */
export const edgeRouter = defineProfile({
  name: 'edge-router',
  tags: [
    { tag: 'EDGE-GBIT', name: 'Throughput', description: 'One gigabit per second' },
    { tag: 'EDGE-TUNNEL', name: 'Tunnel', description: 'One open tunnel' },
  ],
  module: { name: 'edge-tunnels', settings: { tag: 'EDGE-TUNNEL', maxTunnels: 1000 } },
  policies: {
    deniedActions: {
      'out-of-compliance': {
        actions: ['tunnel-open'],
        reason: 'No tunnel can be opened while more tunnels are open than licensed.',
      },
    },
  },
})

const settingsSchema = z.strictObject({ tag: z.string(), maxTunnels: z.int().min(1) })

/** An open tunnel. */
export interface Tunnel {
  readonly peer: string
  readonly openedAt: string
}

/** API of the module, available as `agent.module`. */
export interface Tunnels {
  open(peer: string): Promise<Tunnel>
  close(peer: string): Promise<boolean>
  list(): Tunnel[]
}

/** Fields that the module adds to the Status document. */
export interface TunnelStatus {
  readonly tunnels?: { readonly open: number; readonly max: number }
}

/** Module state that counts open tunnels as rows of a table in the agent's database. */
class OpenTunnels implements ModuleState<Tunnels, TunnelStatus> {
  readonly #db: ModuleStorage['db']
  readonly #settings: z.infer<typeof settingsSchema>

  constructor(storage: ModuleStorage) {
    const settings = settingsSchema.safeParse(storage.settings)
    if (!settings.success || !storage.tags.includes(settings.data.tag))
      throw new LicensingError('INVALID_ARGUMENT', 'The settings of the module edge-tunnels are invalid.')
    this.#db = storage.db
    this.#settings = settings.data
  }

  get #count(): number {
    const row = this.#db.prepare<[], { open: number }>('select count(*) as open from tunnels').get()
    return row?.open ?? 0
  }

  counts() {
    return { [this.#settings.tag]: this.#count }
  }

  status(): TunnelStatus {
    return { tunnels: { open: this.#count, max: this.#settings.maxTunnels } }
  }

  checkAction(action: string): LicensingError | null {
    const denied = this.deniedActions().find(({ actions }) => actions.includes(action))
    return denied ? new LicensingError('POLICY_REFUSED', denied.reason) : null
  }

  /** Lists the refused actions for clients in other processes. */
  deniedActions() {
    const { maxTunnels } = this.#settings
    if (this.#count < maxTunnels) return []
    return [{ actions: ['tunnel-open'], reason: `The router has ${maxTunnels} tunnels.` }]
  }

  getUpgradeLicenses() {
    return null
  }

  hasExpiring() {
    return false
  }

  // The module keeps no state in memory, so that these hooks have nothing to do.
  readonly expire = (): void => undefined
  readonly beforeCommit = (): void => undefined
  readonly rollback = (): void => undefined

  list(): Tunnel[] {
    return this.#db
      .prepare<[], { peer: string; opened_at: number }>('select peer, opened_at from tunnels order by peer')
      .all()
      .map(({ peer, opened_at }) => ({ peer, openedAt: new Date(opened_at).toISOString() }))
  }

  createApi(agent: ModuleAgent): Tunnels {
    return {
      open: (peer) =>
        agent.run({
          action: 'tunnel-open',
          what: 'open a tunnel',
          who: peer,
          run: ({ at }) => {
            this.#db.prepare('insert or ignore into tunnels (peer, opened_at) values (?, ?)').run(peer, at)
            return { peer, openedAt: new Date(at).toISOString() }
          },
        }),
      close: (peer) =>
        agent.run({
          action: null,
          what: 'close a tunnel',
          who: peer,
          run: () => this.#db.prepare('delete from tunnels where peer = ?').run(peer).changes > 0,
        }),
      list: () => this.list(),
    }
  }
}

const peer = z.object({ peer: z.string().min(1).max(200) })

/** Creates the module that counts open tunnels. */
export const tunnels = (): ProductModule<Tunnels, TunnelStatus> => ({
  name: 'edge-tunnels',
  profile: edgeRouter,
  migrations: ['create table tunnels (peer text primary key, opened_at integer not null) strict'],
  commands: {
    'tunnel-open': defineCommand(false, peer, (api: Tunnels, { peer }) => api.open(peer)),
    'tunnel-close': defineCommand(false, peer, async (api: Tunnels, { peer }) => ({
      closed: await api.close(peer),
    })),
    'tunnel-list': defineCommand(true, z.object({}), (api: Tunnels) => ({ tunnels: api.list() })),
  },
  openState: (storage) => new OpenTunnels(storage),
})
