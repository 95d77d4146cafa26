import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OpenOptions, SmartAgent } from '../../src/index.ts'
import { Authority } from '../../src/authority/index.ts'
import type { AuthorityObserver } from '../../src/authority/observer.ts'
import { LicensingError } from '../../src/core/errors.ts'
import type { RequestType } from '../../src/protocol/messages.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { createDatabaseOptions } from './database.ts'
import { isHeartbeatOn } from './heartbeat.ts'
import { VirtualClock } from '../../mocks/virtual-clock.ts'

/** Simulated network between devices and their authority, which can drop or change messages. */
export interface TestNetwork {
  down: boolean
  /** Request type that fails with CONNECTION_REFUSED. */
  refuse: RequestType | null
  /** Loses each answer after the authority has decided. */
  loseAnswers: boolean
  onRequest: (type: RequestType, body: string) => string
  onAnswer: (type: RequestType, body: string) => string | Promise<string>
  readonly sent: { type: RequestType; body: string }[]
}

/** Creates an authority and devices in one process, with one virtual clock and a simulated network. */
export async function createTestEnvironment(options: { account?: string; observe?: AuthorityObserver } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sla-'))
  const clock = new VirtualClock()
  const authorityDir = join(directory, 'authority')
  await Authority.init({
    dataDir: authorityDir,
    account: options.account ?? 'acme.example',
    acceptAgreement: true,
    clock,
    ...(await createDatabaseOptions()),
  })
  const { observe } = options
  const authority = await Authority.open({
    dataDir: authorityDir,
    clock,
    ...(observe && { observer: observe }),
  })
  const network: TestNetwork = {
    down: false,
    refuse: null,
    loseAnswers: false,
    onRequest: (_, body) => body,
    onAnswer: (_, body) => body,
    sent: [],
  }
  const opened: SmartAgent[] = []

  const transport = (to: Authority = authority): Transport => ({
    post: async (path, body) => {
      const type = path.split('/').at(-1) as RequestType
      network.sent.push({ type, body })
      if (network.down || network.refuse === type)
        throw new LicensingError('CONNECTION_REFUSED', 'The authority refused the connection.')
      let answer: string
      try {
        answer = JSON.stringify(
          await to.operations.endpoint.handle(type, JSON.parse(network.onRequest(type, body))),
        )
      } catch (error) {
        if (error instanceof LicensingError && error.kind === 'local') {
          throw new LicensingError('AUTHORITY_REJECTED', `The authority answered 400: ${error.code}.`)
        }
        throw error
      }
      if (network.loseAnswers) throw new LicensingError('CONNECTION_RESET', 'The connection was closed.')
      return network.onAnswer(type, answer)
    },
    close: () => undefined,
  })

  const open = async (name = 'device', more: Partial<OpenOptions> = {}): Promise<SmartAgent> => {
    const agent = await SmartAgent.open({
      dataDir: join(directory, name),
      product: { pid: 'CWMS-K9', version: '4.0', serial: name.toUpperCase() },
      trust: authority.trustAnchor(),
      transport: { kind: 'direct', url: 'https://authority.test' },
      clock,
      heartbeat: isHeartbeatOn(),
      createTransport: () => transport(),
      ...more,
    })
    opened.push(agent)
    return agent
  }

  return {
    directory,
    clock,
    authority,
    network,
    transport,
    open,
    token: async (options: Partial<Parameters<Authority['tokens']['create']>[0]> = {}) =>
      (await authority.tokens.create({ days: 30, ...options })).token,
    close: async () => {
      for (const agent of opened) await agent.close()
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export type TestEnvironment = Awaited<ReturnType<typeof createTestEnvironment>>

/** Advances the clock, runs a tick of the agent, and waits until its work is done. */
export async function advance(
  world: TestEnvironment,
  agent: SmartAgent,
  milliseconds: number,
): Promise<void> {
  world.clock.advance(milliseconds)
  agent.tick()
  await agent.idle()
}

/** Returns the code of the LicensingError that a promise rejects with. */
export async function getErrorCode(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return error instanceof LicensingError ? error.code : `not ours: ${String(error)}`
  }
  return 'no error'
}
