import type { DeviceAgent } from './device/device-agent.ts'
import type { Clock } from '../core/clock.ts'
import { parseNetworks } from '../core/ip-address.ts'
import { systemClock } from '../core/system-clock.ts'
import type { ConnectionLimiter } from '../http/connection-limiter.ts'
import { createDeviceProcedures } from './device/procedures.ts'
import { statusSchema } from './device/schemas.ts'
import { toTransitionDocument } from '../agent/inspection-documents.ts'
import { redactStatus } from './device/status.ts'
import type { Caller } from '../http/procedures.ts'
import { type EmitEvent, WebConsole } from './web-console.ts'
import { AuthService } from '../http/auth-service.ts'
import { FileUserStore } from '../http/file-user-store.ts'
import {
  getConsoleDirectory,
  ensureInitialPassword,
  deleteInitialPassword,
} from '../http/initial-password.ts'
import { listHostNames, listenWithSelfSignedCertificate, hashId } from '../http/listen-self-signed.ts'

export const createDeviceAuth = (dataDir: string, clock: Clock = systemClock): AuthService =>
  new AuthService(new FileUserStore(getConsoleDirectory(dataDir)), clock, {
    supportsAccountScope: false,
    onInitialPasswordUsed: () => {
      deleteInitialPassword(dataDir)
    },
  })

/** The served web console of a device. */
export interface ServedPage {
  readonly url: string
  /** SHA-256 fingerprint of the TLS certificate, which a browser shows for an unknown certificate. */
  readonly fingerprint: string
  /** File with the one-time password of the first user; null after the password was changed. */
  readonly firstPasswordFile: string | null
  readonly connections: ConnectionLimiter
  /** Closes the server after the requests under way are answered. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Serves the web console "Smart Licenses" and its API over HTTPS.
 *
 * @throws LicensingError ADDRESS_IN_USE, STORE_*
 */
export async function serveDeviceConsole(
  agent: DeviceAgent,
  options: {
    dataDir: string
    host: string
    port: number
    names?: readonly string[]
    trustedProxies?: readonly string[]
    clock?: Clock
    logger: { error(message: string, fields?: object): void }
  },
): Promise<ServedPage> {
  const { dataDir, host, port, clock = systemClock, logger } = options
  const trustedProxies = parseNetworks(options.trustedProxies)
  const directory = getConsoleDirectory(dataDir)
  const auth = createDeviceAuth(dataDir, clock)
  const names = listHostNames(host, options.names ?? [])
  const { pid, serial } = agent.status().product
  const page = new WebConsole({
    page: 'device',
    title: 'Smart Licenses',
    auth,
    procedures: createDeviceProcedures(agent),
    follow: (emit, caller) => follow(agent, emit, caller),
    runAs: (_caller, work) => work(),
    hosts: names,
    id: hashId(`${pid} ${serial}`),
    logger,
  })
  const firstPasswordFile = await ensureInitialPassword(auth, dataDir)
  const served = await listenWithSelfSignedCertificate(
    { host, port, names, directory, clock, trustedProxies },
    page.routes,
  )
  return { ...served, firstPasswordFile }
}

/** Sends the status at once and after every transition. */
function follow(agent: DeviceAgent, emit: EmitEvent, caller: Caller): () => void {
  const status = () => statusSchema.parse(redactStatus(agent.status(), caller))
  let last = agent.history(1).at(-1)?.id ?? 0
  emit('status', status())
  return agent.on('transition', () => {
    for (const row of agent.history(1000, last)) {
      last = row.id
      emit('transition', toTransitionDocument(row))
    }
    emit('status', status())
  })
}
