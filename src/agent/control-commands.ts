import { z } from 'zod'
import { type ControlCommand, defineCommand } from '../core/control-command.ts'
import { transportSettingsSchema } from '../transports/transport.ts'
import type { SmartAgent } from './agent.ts'

const command = <Params>(
  reads: boolean,
  schema: z.ZodType<Params>,
  run: (agent: SmartAgent, params: Params) => unknown,
) => defineCommand(reads, schema, run)

const none = z.object({})
const file = z.object({ file: z.string().max(200_000) })
const wait = z.boolean().default(true)
const registration = z.object({ token: z.string().max(100_000), force: z.boolean().default(false), wait })

/** The commands of the agent itself, behind the control socket and behind a program that opens the data directory. */
export const controlCommands = {
  status: command(true, none, (agent) => agent.status()),
  explain: command(true, none, (agent) => agent.explain()),
  history: command(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100), after: z.int().min(0).default(0) }),
    (agent, { limit, after }) => agent.history(limit, after),
  ),
  'transport-set': command(true, transportSettingsSchema, (agent, settings) => agent.transport.set(settings)),
  'transport-test': command(
    true,
    z.object({ settings: transportSettingsSchema.optional() }),
    (agent, { settings }) => agent.transport.test(settings ? { settings } : {}),
  ),
  'tls-ca-install': command(true, z.object({ pem: z.string().max(100_000) }), async (agent, { pem }) => {
    await agent.trust.installTlsCa(pem)
    return agent.status().transport
  }),
  'trust-show': command(true, none, (agent) => ({
    trust: agent.trust.anchor(),
    bundle: agent.trust.rootVersion(),
  })),
  'trust-install': command(true, z.object({ pem: z.string().max(100_000) }), async (agent, { pem }) => {
    await agent.trust.install(pem)
    return { trust: agent.trust.anchor(), bundle: agent.trust.rootVersion() }
  }),
  register: command(false, registration, (agent, { token, ...options }) => agent.register(token, options)),
  reregister: command(false, registration, (agent, { token, ...options }) =>
    agent.reregister(token, options),
  ),
  deregister: command(false, z.object({ wait }), (agent, options) => agent.deregister(options)),
  'renew-registration': command(false, z.object({ wait }), (agent, options) =>
    agent.renewRegistration(options),
  ),
  'renew-authorization': command(false, z.object({ wait }), (agent, options) =>
    agent.renewAuthorization(options),
  ),
  'reservation-request': command(true, none, async (agent) => ({
    requestCode: await agent.reservation.request(),
  })),
  'reservation-cancel': command(true, none, async (agent) => ({
    cancelled: await agent.reservation.cancel(),
  })),
  'reservation-install': command(true, file, (agent, { file }) => agent.reservation.install(file)),
  'reservation-update': command(true, file, (agent, { file }) => agent.reservation.update(file)),
  'reservation-return-code': command(true, none, async (agent) => ({
    returnCode: await agent.reservation.returnCode(),
  })),
  'reservation-return': command(true, none, (agent) => agent.reservation.return()),
  'reservation-discard': command(true, file, (agent, { file }) => agent.reservation.discard(file)),
  'usage-history': command(
    true,
    z.object({ by: z.enum(['hour', 'day']), last: z.int().min(1).max(10_000) }),
    (agent, options) => ({ usage: agent.usage.periods(options) }),
  ),
  'usage-denials': command(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100) }),
    (agent, { limit }) => ({
      denials: agent.usage.denials(limit),
    }),
  ),
  upgrade: command(false, z.object({ version: z.string().max(100) }), (agent, { version }) =>
    agent.upgrade(version),
  ),
  'usage-set': command(
    false,
    z.object({ tag: z.string().max(1000), count: z.number() }),
    (agent, { tag, count }) => {
      agent.setUsage(tag, count)
      return agent.status()
    },
  ),
} satisfies Record<string, ControlCommand<SmartAgent>>

export type ControlCommandName = keyof typeof controlCommands

const isOwn = (name: string): name is ControlCommandName => Object.hasOwn(controlCommands, name)

/**
 * Finds a command of an agent, or of the module of its product.
 *
 * @throws LicensingError USAGE for a command that nobody knows; MODULE_UNAVAILABLE
 */
export function findCommand(
  agent: SmartAgent,
  name: string,
): { readonly reads: boolean; readonly call: (params: unknown) => unknown } {
  if (!isOwn(name)) return agent.moduleCommand(name)
  const command = controlCommands[name]
  return { reads: command.reads, call: (params) => command.call(agent, params) }
}
