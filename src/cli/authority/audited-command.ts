import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { runAs, type Actor, formatActor } from '../../authority/events/actor.ts'
import type { Authority } from '../../authority/authority.ts'
import { sanitizeText } from '../../core/text.ts'
import { toLicensingError } from '../../core/errors.ts'

/** Who is at the terminal, for the record. */
export function getUserName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${String(process.getuid?.() ?? 'unknown')}`
  }
}

/** Commands that only look, by their last word, and by all of them. */
const READ_ONLY_VERBS: readonly string[] = [
  'list',
  'show',
  'status',
  'verify',
  'failed',
  'transactions',
  'audit',
]
const READ_ONLY_COMMANDS: readonly string[] = ['events', 'report', 'trust export']

/** Arguments and options whose values are public names, and go into the record; of all others only the name of the command does. */
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
 * Does the work of a command on behalf of whoever is at the terminal; one that changes something is in the audit record
 * with how it ended. What was done is done, whether or not it could be written down.
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
        `warning: the audit record could not be written: ${toLicensingError(error).message}\n`,
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

/** What a command does, and to what; null for one that only looks. */
function toAuditEntry(command: Command): { action: string; subject: string } | null {
  const words: string[] = []
  for (let one = command; one.parent; one = one.parent) words.unshift(one.name())
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
