import type { ChartCause } from './chart-layout.ts'

/** Converts `SOME_NAME` or `someName` to words. */
const formatName = (name: string): string =>
  (name === name.toUpperCase() ? name : name.replaceAll(/([a-z])([A-Z])/g, '$1 $2'))
    .replaceAll('_', ' ')
    .toLowerCase()

const formatEventName = (event: string): string => (event === 'clock.tick' ? 'time' : formatName(event))

const formatGuard = (guard: string | null): string => (guard === null ? '' : ` [${formatName(guard)}]`)

/** Formats one cause: `authorize refused [is revoked]`. */
export const formatCause = ({ event, guard }: ChartCause): string =>
  `${formatEventName(event.replaceAll('.', ' '))}${formatGuard(guard)}`

/**
 * Formats several causes, one per line. Merges the outcomes of one request under the same guard, and one outcome of several
 * requests.
 */
export function formatCauses(causes: readonly ChartCause[]): string[] {
  const groups = new Map<string, { names: string[]; outcomes: Set<string>; guard: string | null }>()
  const byName = new Map<string, { name: string; outcomes: string[]; guard: string | null }>()
  for (const { event, guard } of causes) {
    const [name = '', outcome = ''] = event.split('.')
    const key = `${name} ${guard ?? ''}`
    const known = byName.get(key)
    if (known) known.outcomes.push(outcome)
    else byName.set(key, { name, outcomes: [outcome], guard })
  }
  for (const { name, outcomes, guard } of byName.values()) {
    const key = `${outcomes.join()} ${guard ?? ''}`
    const known = groups.get(key)
    if (known && outcomes[0] !== '') known.names.push(name)
    else
      groups.set(outcomes[0] === '' ? `${key} ${name}` : key, {
        names: [name],
        outcomes: new Set(outcomes),
        guard,
      })
  }
  return [...groups.values()].map(({ names, outcomes, guard }) =>
    `${names.map(formatEventName).join(', ')} ${[...outcomes].join(', ')}`.trim().concat(formatGuard(guard)),
  )
}

/** Wraps a text at spaces into lines of at most `maxLength` characters. */
export function wrapText(text: string, maxLength: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= maxLength)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
