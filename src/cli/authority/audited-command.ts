import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { runAs, type Actor, formatActor } from '../../authority/events/actor.ts'
import type { Authority } from '../../authority/authority.ts'
import { sanitizeText } from '../../core/text.ts'
import { toLicensingError } from '../../core/errors.ts'

/** Returns the name of the user who runs the command, for the audit log. */
export function getUserName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${String(process.getuid?.() ?? 'unknown')}`
  }
}

/** Last words of the names of read-only commands, such as `list` in `token list`. */
const READ_ONLY_VERBS: readonly string[] = [
  'list',
  'show',
  'preview',
  'status',
  'verify',
  'failed',
  'transactions',
  'audit',
]
const READ_ONLY_COMMANDS: readonly string[] = ['events', 'report', 'trust export']

/** Arguments and options whose values are recorded. Other values may be secret and are left out. */
const PUBLIC_ARGUMENTS: readonly string[] = ['name', 'domain', 'id', 'instance', 'tag', 'kind', 'recipient']
const PUBLIC_OPTIONS: readonly string[] = [
  'tlsName',
  'virtualAccount',
  'satellite',
  'instance',
  'sku',
  'tag',
  'quantity',
  'term',
  'license',
  'from',
  'to',
  'days',
  'maxUses',
  'role',
  'reason',
]
const MAX_SUBJECT_LENGTH = 300

/**
 * Runs a command on behalf of the current user, and records commands that change something with their outcome. A failure to
 * write the audit entry does not undo the command.
 */
export async function runAudited<T>(
  authority: Authority,
  command: Command | null,
  work: () => Promise<T> | T,
): Promise<T> {
  const actor: Actor = { kind: 'command-line', name: getUserName() }
  const entry = command && toAuditEntry(command)
  const record = async (outcome: string) => {
    if (!entry) return
    try {
      await authority.security.audit.record({ who: formatActor(actor), address: 'local', ...entry, outcome })
    } catch (error) {
      process.stderr.write(
        `warning: the audit entry could not be written: ${toLicensingError(error).message}\n`,
      )
    }
  }
  try {
    const done = await runAs(actor, async () => work())
    await record('done')
    return done
  } catch (error) {
    await record(toLicensingError(error).code)
    throw error
  }
}

/** Returns the action and subject of a command for the audit log, or null for a read-only command. */
function toAuditEntry(command: Command): { action: string; subject: string } | null {
  const words: string[] = []
  for (let current = command; current.parent; current = current.parent) words.unshift(current.name())
  const action = words.join(' ')
  if (READ_ONLY_COMMANDS.includes(action) || READ_ONLY_VERBS.includes(words.at(-1) ?? '')) return null
  const named = command.registeredArguments.flatMap((argument, i) => {
    const given = command.args[i]
    return given !== undefined && PUBLIC_ARGUMENTS.includes(argument.name()) ? [given] : []
  })
  const options = Object.entries(command.opts()).flatMap(([name, value]) =>
    PUBLIC_OPTIONS.includes(name) && (typeof value === 'string' || Array.isArray(value))
      ? [`${name}: ${[value].flat().join(', ')}`]
      : [],
  )
  return { action, subject: sanitizeText([...named, ...options].join('; '), MAX_SUBJECT_LENGTH) }
}
