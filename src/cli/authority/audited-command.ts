import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { actingAs, type Actor, actorName } from '../../authority/events/actor.ts'
import type { Authority } from '../../authority/authority.ts'
import { plain } from '../../core/text.ts'
import { asLicensingError } from '../../core/errors.ts'

/** Who is at the terminal, for the record. */
export function userName(): string {
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
  'dead',
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
  'lostBox',
]
const LONGEST = 300

/**
 * Does the work of a command on behalf of whoever is at the terminal; one that changes something is in the audit record
 * with how it ended. What was done is done, whether or not it could be written down.
 */
export async function runAudited<T>(
  authority: Authority,
  command: Command | null,
  work: () => Promise<T> | T,
): Promise<T> {
  const actor: Actor = { kind: 'command-line', name: userName() }
  const deed = command && toAuditEntry(command)
  const record = async (outcome: string) => {
    if (!deed) return
    try {
      await authority.security.audit.record({ who: actorName(actor), address: 'local', ...deed, outcome })
    } catch (thrown) {
      process.stderr.write(
        `warning: the audit record could not be written: ${asLicensingError(thrown).message}\n`,
      )
    }
  }
  try {
    const done = await actingAs(actor, async () => work())
    await record('done')
    return done
  } catch (thrown) {
    await record(asLicensingError(thrown).code)
    throw thrown
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
  return { action, subject: plain([...named, ...options].join('; '), LONGEST) }
}
