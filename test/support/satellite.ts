import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OpenOptions, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import type { RequestType } from '../../src/protocol/messages.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'
import { createDatabaseOptions } from './database.ts'
import type { Transport } from '../../src/transports/transport.ts'

/** What may happen to an exchange by wire between a satellite and its manager. */
export type WireFault =
  | 'none'
  | 'lost request'
  | 'lost answer'
  | 'garbled answer'
  | 'sent twice'
  /** The satellite dies before its request has gone, or after the manager has decided on it. */
  | 'dies before'
  | 'dies after'

/** A manager, satellites and boxes in one process, on one virtual clock; the wire between them may break. */
export async function createSatelliteEnvironment() {
  const directory = mkdtempSync(join(tmpdir(), 'sla-'))
  const clock = new VirtualClock()
  const account = 'acme.example'
  const managerDir = join(directory, 'manager')
  await Authority.init({
    dataDir: managerDir,
    account,
    acceptAgreement: true,
    clock,
    ...(await createDatabaseOptions()),
  })
  const manager = await Authority.open({ dataDir: managerDir, clock })
  const open: { close(): Promise<void> }[] = []
  /** The manager that answers: another one after a restore of it. */
  let answering = manager
  const wire = { fault: 'none' as WireFault, exchanges: 0, onDeath: (): void => undefined }

  /** The wire between a satellite and the manager. */
  const managerTransport = (): Transport => ({
    post: async (path, body, _traceparent, headers = {}) => {
      wire.exchanges++
      const dies = () => {
        wire.onDeath()
        return new Promise<never>(() => undefined)
      }
      if (wire.fault === 'dies before') return dies()
      if (wire.fault === 'lost request')
        throw new LicensingError('CONNECTION_REFUSED', 'the manager refused the connection.')
      if (wire.fault === 'sent twice')
        await answering.operations.server.inject({ method: 'POST', path, body, headers })
      const { status, body: answer } = await answering.operations.server.inject({
        method: 'POST',
        path,
        body,
        headers,
      })
      if (status !== 200) throw new LicensingError('AUTHORITY_REJECTED', `the manager answered ${status}`)
      if (wire.fault === 'dies after') return dies()
      if (wire.fault === 'lost answer')
        throw new LicensingError('CONNECTION_RESET', 'the connection was closed.')
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

  /** The transport of a box to an authority. */
  const transportTo = (to: () => Authority): Transport => ({
    post: async (path, body) => {
      const type = path.split('/').at(-1) as RequestType
      try {
        return JSON.stringify(await to().operations.endpoint.handle(type, JSON.parse(body)))
      } catch (error) {
        if (error instanceof LicensingError && error.kind !== 'transport')
          throw new LicensingError('AUTHORITY_REJECTED', `the authority answered 400: ${error.code}`)
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
    managerRoad: managerTransport,
    useManager: (other: Authority) => {
      answering = other
    },
    /** A satellite that was added at the manager, and not synchronized yet. */
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
    box: async (to: () => Authority, name: string, more: Partial<OpenOptions> = {}) => {
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
      for (const one of open.reverse()) await one.close().catch(() => undefined)
      await manager.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export type SatelliteEnvironment = Awaited<ReturnType<typeof createSatelliteEnvironment>>

/** One exchange by hand, from the satellite to the manager and back. */
export async function exchangeByFile(manager: Authority, satellite: Authority) {
  const { file } = await satellite.sync.export()
  const responded = await manager.satellites.respond(file)
  const imported = await satellite.sync.import(responded.file, 'skip-verification')
  return { request: file, answer: responded.file, responded, imported }
}
