import type { Context } from '../../machines/agent-context.ts'

/** Changed field of the machine's context, by path, such as `authorization.deadlineAt`. A missing value is null. */
export interface ContextChange {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

/** Fields with codes that people carry. A code is as good as the licenses that it stands for. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['requestCode', 'returnCode', 'confirmationCode'])

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hideCode = (code: unknown): '' | null => (code === null || code === undefined ? null : '')

/** Returns a copy of a value in which each code is an empty text. */
export function omitCodes<T>(value: T): T {
  if (Array.isArray(value)) return value.map(omitCodes) as T
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      SECRET_FIELDS.has(key) ? hideCode(inner) : omitCodes(inner),
    ]),
  ) as T
}

/** Records that are keyed by tag. Their fields are written as `usage.counts[TAG]`, because a tag may contain dots. */
const COUNTS: ReadonlySet<string> = new Set(['usage.counts', 'usage.reported'])

/** Lists the fields that differ. Of a code, only its presence is compared. Lists of licenses and entitlements are compared as a whole. */
export function listChanges(before: Context, after: Context): ContextChange[] {
  const changes: ContextChange[] = []
  const compare = (path: string, old: unknown, next: unknown) => {
    if (Object.is(old, next)) return
    const field = path.slice(path.lastIndexOf('.') + 1)
    if (SECRET_FIELDS.has(field)) {
      const [hidden, nextHidden] = [hideCode(old), hideCode(next)]
      if (hidden !== nextHidden) changes.push({ path, before: hidden, after: nextHidden })
    } else if (isRecord(old) && isRecord(next)) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(next)]))
        compare(joinPath(path, key), old[key], next[key])
    } else if (JSON.stringify(old) !== JSON.stringify(next))
      changes.push({ path, before: omitCodes(old) ?? null, after: omitCodes(next) ?? null })
  }
  // The periods are those of the profile, and no event changes them.
  const { periods: _before, ...old } = before
  const { periods: _after, ...next } = after
  compare('', old, next)
  return changes
}

const joinPath = (path: string, key: string): string =>
  path === '' ? key : COUNTS.has(path) ? `${path}[${key}]` : `${path}.${key}`

function splitPath(path: string): { keys: string[]; tag: string | null } {
  const [, record, tag = null] = /^([^[]*)\[(.*)\]$/s.exec(path) ?? []
  return { keys: (record ?? path).split('.'), tag }
}

/** Returns the context before changes, from the context after them. */
export function revertChanges(context: Context, changes: readonly ContextChange[]): Context {
  // Not `structuredClone`, which keeps that two fields are one object: a report shares the counts.
  const copy: unknown = JSON.parse(JSON.stringify(context))
  for (const { path, before } of changes.toReversed()) {
    const { keys, tag } = splitPath(path)
    const last = tag ?? keys.pop() ?? ''
    let target: unknown = copy
    for (const key of keys) target = isRecord(target) ? target[key] : null
    if (!isRecord(target)) continue
    // Only a count may be absent. Every other field is null when it is empty.
    if (tag !== null && before === null) Reflect.deleteProperty(target, last)
    else target[last] = structuredClone(before)
  }
  return copy as Context
}

/** Returns an earlier context, from the present one and the changes of each later transition, oldest first. */
export const rewindContext = (context: Context, later: readonly (readonly ContextChange[])[]): Context =>
  later.reduceRight(revertChanges, context)
