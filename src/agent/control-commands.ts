import { z } from 'zod'
import { type ControlCommand, defineCommand } from '../core/control-command.ts'
import { transportSettingsSchema } from '../transports/transport.ts'
import type { SmartAgent } from './agent.ts'
import { createSupportBundle } from './support-bundle.ts'

const defineAgentCommand = <Params>(
  reads: boolean,
  schema: z.ZodType<Params>,
  run: (agent: SmartAgent, params: Params) => unknown,
) => defineCommand(reads, schema, run)

const emptySchema = z.object({})
const fileSchema = z.object({ file: z.string().max(200_000) })
const waitSchema = z.boolean().default(true)
const registrationSchema = z.object({
  token: z.string().max(100_000),
  force: z.boolean().default(false),
  wait: waitSchema,
})

/** Commands of the agent, for the control socket and for a program that opens the data directory itself. */
export const controlCommands = {
  status: defineAgentCommand(true, emptySchema, (agent) => agent.status()),
  allows: defineAgentCommand(true, z.object({ action: z.string().min(1).max(200) }), (agent, { action }) =>
    agent.allows(action),
  ),
  explain: defineAgentCommand(true, emptySchema, (agent) => agent.explain()),
  history: defineAgentCommand(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100), after: z.int().min(0).default(0) }),
    (agent, { limit, after }) => agent.history(limit, after),
  ),
  snapshot: defineAgentCommand(true, z.object({ id: z.int().min(0).default(0) }), (agent, { id }) =>
    agent.inspection.readSnapshot(id),
  ),
  support: defineAgentCommand(true, emptySchema, (agent) => createSupportBundle(agent)),
  'profile-show': defineAgentCommand(true, emptySchema, (agent) => agent.profile),
  'transport-set': defineAgentCommand(true, transportSettingsSchema, (agent, settings) =>
    agent.transport.set(settings),
  ),
  'transport-test': defineAgentCommand(
    true,
    z.object({ settings: transportSettingsSchema.optional() }),
    (agent, { settings }) => agent.transport.test(settings ? { settings } : {}),
  ),
  'tls-ca-install': defineAgentCommand(
    true,
    z.object({ pem: z.string().max(100_000) }),
    async (agent, { pem }) => {
      await agent.trust.installTlsCa(pem)
      return agent.status().transport
    },
  ),
  'trust-show': defineAgentCommand(true, emptySchema, (agent) => ({
    trust: agent.trust.anchor(),
    bundle: agent.trust.rootVersion(),
  })),
  'trust-install': defineAgentCommand(
    true,
    z.object({ pem: z.string().max(100_000) }),
    async (agent, { pem }) => {
      await agent.trust.install(pem)
      return { trust: agent.trust.anchor(), bundle: agent.trust.rootVersion() }
    },
  ),
  register: defineAgentCommand(false, registrationSchema, (agent, { token, ...options }) =>
    agent.register(token, options),
  ),
  reregister: defineAgentCommand(false, registrationSchema, (agent, { token, ...options }) =>
    agent.reregister(token, options),
  ),
  deregister: defineAgentCommand(false, z.object({ wait: waitSchema }), (agent, options) =>
    agent.deregister(options),
  ),
  'renew-registration': defineAgentCommand(false, z.object({ wait: waitSchema }), (agent, options) =>
    agent.renewRegistration(options),
  ),
  'renew-authorization': defineAgentCommand(false, z.object({ wait: waitSchema }), (agent, options) =>
    agent.renewAuthorization(options),
  ),
  'reservation-request': defineAgentCommand(true, emptySchema, async (agent) => ({
    requestCode: await agent.reservation.request(),
  })),
  'reservation-cancel': defineAgentCommand(true, emptySchema, async (agent) => ({
    canceled: await agent.reservation.cancel(),
  })),
  'reservation-install': defineAgentCommand(true, fileSchema, (agent, { file }) =>
    agent.reservation.install(file),
  ),
  'reservation-update': defineAgentCommand(true, fileSchema, (agent, { file }) =>
    agent.reservation.update(file),
  ),
  'reservation-return-code': defineAgentCommand(true, emptySchema, async (agent) => ({
    returnCode: await agent.reservation.returnCode(),
  })),
  'reservation-return': defineAgentCommand(true, emptySchema, (agent) => agent.reservation.return()),
  'reservation-discard': defineAgentCommand(true, fileSchema, (agent, { file }) =>
    agent.reservation.discard(file),
  ),
  'usage-history': defineAgentCommand(
    true,
    z.object({ by: z.enum(['hour', 'day']), last: z.int().min(1).max(10_000) }),
    (agent, options) => ({ usage: agent.usage.periods(options) }),
  ),
  'usage-denials': defineAgentCommand(
    true,
    z.object({ limit: z.int().min(1).max(10_000).default(100) }),
    (agent, { limit }) => ({
      denials: agent.usage.denials(limit),
    }),
  ),
  'usage-flush': defineAgentCommand(false, emptySchema, (agent) => agent.flushUsage()),
  upgrade: defineAgentCommand(false, z.object({ version: z.string().max(100) }), (agent, { version }) =>
    agent.upgrade(version),
  ),
  'usage-set': defineAgentCommand(
    false,
    z.object({ tag: z.string().max(1000), count: z.number() }),
    (agent, { tag, count }) => {
      agent.setUsage(tag, count)
      return agent.status()
    },
  ),
} satisfies Record<string, ControlCommand<SmartAgent>>

export type ControlCommandName = keyof typeof controlCommands

const isAgentCommand = (name: string): name is ControlCommandName => Object.hasOwn(controlCommands, name)

/**
 * Finds a command of an agent, or of its product module.
 *
 * @throws LicensingError USAGE for an unknown command, or MODULE_UNAVAILABLE
 */
export function findCommand(
  agent: SmartAgent,
  name: string,
): { readonly reads: boolean; readonly call: (params: unknown) => unknown } {
  if (!isAgentCommand(name)) return agent.moduleCommand(name)
  const command = controlCommands[name]
  return { reads: command.reads, call: (params) => command.call(agent, params) }
}
