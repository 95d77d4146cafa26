import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OpenOptions, type ProfileInput, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import type { RequestType } from '../../src/protocol/messages.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import { createDatabaseOptions } from './database.ts'
import type { Transport } from '../../src/transports/transport.ts'

/** Fault of an online exchange between a satellite and its manager. */
export type WireFault =
  | 'none'
  | 'lost request'
  | 'lost answer'
  | 'garbled answer'
  | 'sent twice'
  /** The satellite crashes before its request is sent, or after the manager has decided on it. */
  | 'dies before'
  | 'dies after'

/** Creates a manager, satellites and devices in one process with one virtual clock and a faulty connection. */
export async function createSatelliteEnvironment(options: { profile?: ProfileInput } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sla-'))
  const clock = new VirtualClock()
  const account = 'acme.example'
  const managerDir = join(directory, 'manager')
  await Authority.init({
    dataDir: managerDir,
    account,
    acceptAgreement: true,
    clock,
    ...options,
    ...(await createDatabaseOptions()),
  })
  const manager = await Authority.open({ dataDir: managerDir, clock })
  const open: { close(): Promise<void> }[] = []
  /** Manager that answers satellites. A test can replace it, for example after a restore. */
  let answering = manager
  const wire = { fault: 'none' as WireFault, exchanges: 0, onDeath: (): void => undefined }

  const managerTransport = (): Transport => ({
    post: async (path, body, _traceparent, headers = {}) => {
      wire.exchanges++
      const dies = () => {
        wire.onDeath()
        return new Promise<never>(() => undefined)
      }
      if (wire.fault === 'dies before') return dies()
      if (wire.fault === 'lost request')
        throw new LicensingError('CONNECTION_REFUSED', 'The manager refused the connection.')
      if (wire.fault === 'sent twice')
        await answering.operations.server.inject({ method: 'POST', path, body, headers })
      const { status, body: answer } = await answering.operations.server.inject({
        method: 'POST',
        path,
        body,
        headers,
      })
      if (status !== 200) throw new LicensingError('AUTHORITY_REJECTED', `The manager answered ${status}.`)
      if (wire.fault === 'dies after') return dies()
      if (wire.fault === 'lost answer')
        throw new LicensingError('CONNECTION_RESET', 'The connection was closed.')
      if (wire.fault === 'garbled answer') return answer.replace('Answered', 'Answerd')
      return answer
    },
    close: () => undefined,
  })

  const openSatellite = async (name: string) => {
    const satellite = await Authority.open({
      dataDir: join(directory, name),
      clock,
      createTransport: managerTransport,
    })
    open.push(satellite)
    return satellite
  }

  /** Creates the transport of a device to an authority. */
  const transportTo = (to: () => Authority): Transport => ({
    post: async (path, body) => {
      const type = path.split('/').at(-1) as RequestType
      try {
        return JSON.stringify(await to().operations.endpoint.handle(type, JSON.parse(body)))
      } catch (error) {
        if (error instanceof LicensingError && error.kind !== 'transport')
          throw new LicensingError('AUTHORITY_REJECTED', `The authority answered 400: ${error.code}.`)
        throw error
      }
    },
    close: () => undefined,
  })

  return {
    directory,
    clock,
    account,
    manager,
    managerDir,
    wire,
    openSatellite,
    managerTransport,
    useManager: (other: Authority) => {
      answering = other
    },
    /** Adds and initializes a satellite, without synchronizing it. */
    addSatellite: async (name: string, options: { virtualAccount?: string; online?: boolean } = {}) => {
      const { code } = await manager.satellites.add(name, {
        virtualAccount: options.virtualAccount ?? name.toUpperCase(),
      })
      const online = options.online ?? false
      await Authority.init({
        dataDir: join(directory, name),
        account,
        acceptAgreement: true,
        ...(await createDatabaseOptions()),
        clock,
        satellite: { name, ...(online && { trust: manager.trustAnchor(), code }) },
      })
      const satellite = await openSatellite(name)
      if (online) await satellite.sync.setManager({ kind: 'direct', url: 'https://manager.test' })
      return satellite
    },
    openDevice: async (to: () => Authority, name: string, more: Partial<OpenOptions> = {}) => {
      const agent = await SmartAgent.open({
        dataDir: join(directory, name),
        product: { pid: 'CWMS-K9', version: '4.0', serial: name.toUpperCase() },
        trust: manager.trustAnchor(),
        transport: { kind: 'gateway', url: 'https://satellite.test' },
        clock,
        heartbeat: false,
        createTransport: () => transportTo(to),
        ...more,
      })
      open.push(agent)
      return agent
    },
    close: async () => {
      for (const resource of open.reverse()) await resource.close().catch(() => undefined)
      await manager.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export type SatelliteEnvironment = Awaited<ReturnType<typeof createSatelliteEnvironment>>

/** Synchronizes a satellite by files, without a connection. */
export async function exchangeByFile(manager: Authority, satellite: Authority) {
  const { file } = await satellite.sync.export()
  const responded = await manager.satellites.respond(file)
  const imported = await satellite.sync.import(responded.file, 'skip-verification')
  return { request: file, answer: responded.file, responded, imported }
}
