import type { ChartCause } from './chart-layout.ts'

/** `EVALUATION_SPENT` and `evaluationSpent` as words. */
const plain = (name: string): string =>
  (name === name.toUpperCase() ? name : name.replaceAll(/([a-z])([A-Z])/g, '$1 $2'))
    .replaceAll('_', ' ')
    .toLowerCase()

const eventWords = (event: string): string =>
  event === 'TICK' ? 'time' : event === 'always' ? 'at once' : plain(event)

const guardWords = (guard: string | null): string => (guard === null ? '' : ` [${plain(guard)}]`)

/** One cause for people: `authorize refused [ended]`. */
export const causeWords = ({ event, guard }: ChartCause): string =>
  `${eventWords(event.replaceAll('.', ' '))}${guardWords(guard)}`

/**
 * Several causes for people, each a line or less: the ends of one request under one guard are said together, and so
 * is one end of several requests.
 */
export function causeLines(causes: readonly ChartCause[]): string[] {
  const groups = new Map<string, { names: string[]; ends: Set<string>; guard: string | null }>()
  const byName = new Map<string, { name: string; ends: string[]; guard: string | null }>()
  for (const { event, guard } of causes) {
    const [name = '', end = ''] = event.split('.')
    const key = `${name} ${guard ?? ''}`
    const known = byName.get(key)
    if (known) known.ends.push(end)
    else byName.set(key, { name, ends: [end], guard })
  }
  for (const { name, ends, guard } of byName.values()) {
    const key = `${ends.join()} ${guard ?? ''}`
    const known = groups.get(key)
    if (known && ends[0] !== '') known.names.push(name)
    else groups.set(ends[0] === '' ? `${key} ${name}` : key, { names: [name], ends: new Set(ends), guard })
  }
  return [...groups.values()].map(({ names, ends, guard }) =>
    `${names.map(eventWords).join(', ')} ${[...ends].join(', ')}`.trim().concat(guardWords(guard)),
  )
}

/** A text broken into lines of at most that many characters, where it has spaces. */
export function wrap(text: string, longest: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ').filter((one) => one !== '')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= longest)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
