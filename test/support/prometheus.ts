/** One sample line. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const METRIC = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${METRIC}) (.+)$`)
const TYPE = new RegExp(`^# TYPE (${METRIC}) (counter|gauge|histogram|summary|untyped)$`)
// The client library writes `Nan`, which Prometheus accepts.
const SAMPLE = new RegExp(
  `^(${METRIC})(?:\\{(.*)\\})? (NaN|Nan|[+-]Inf|[+-]?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`,
)
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy

/**
 * Parses the Prometheus text format (version 0.0.4) strictly. HELP and TYPE must stand before the samples of a family, sample
 * names must have the suffixes of their type, and no series may occur twice.
 *
 * @throws Error for a line that violates the format
 */
export function parseMetrics(text: string): { types: Map<string, string>; samples: Sample[] } {
  if (!text.endsWith('\n')) throw new Error('The last line has no line feed.')
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const seen = new Set<string>()
  const samples: Sample[] = []
  let family = ''
  for (const line of text.split('\n').filter((text) => text !== '')) {
    const help = HELP.exec(line)
    const type = TYPE.exec(line)
    if (help) {
      const [, name = ''] = help
      if (helped.has(name)) throw new Error(`A second HELP: ${line}`)
      helped.add(name)
    } else if (type) {
      const [, name = '', kind = ''] = type
      if (types.has(name)) throw new Error(`A second TYPE: ${line}`)
      types.set(name, kind)
      family = name
    } else samples.push(readSample(line, family, types.get(family) ?? '', seen))
  }
  for (const name of types.keys()) if (!helped.has(name)) throw new Error(`${name} has no HELP`)
  return { types, samples }
}

function readSample(line: string, family: string, kind: string, seen: Set<string>): Sample {
  const [, name = '', inner, number = ''] = SAMPLE.exec(line) ?? []
  if (name === '') throw new Error(`Not a sample: ${line}`)
  const suffixes =
    kind === 'histogram' ? ['_bucket', '_sum', '_count'] : kind === 'summary' ? ['', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === `${family}${suffix}`))
    throw new Error(`Not a sample of the family: ${line}`)
  const labels: Record<string, string> = {}
  let read = 0
  for (const [whole, label = '', value = ''] of (inner ?? '').matchAll(LABEL)) {
    if (label in labels) throw new Error(`A duplicate label: ${line}`)
    labels[label] = value
    read += whole.length
  }
  if (read !== (inner ?? '').length) throw new Error(`Invalid labels: ${line}`)
  const series = `${name}${JSON.stringify(Object.entries(labels).sort())}`
  if (seen.has(series)) throw new Error(`A duplicate series: ${line}`)
  seen.add(series)
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

/** Returns the value of the first series with a name and labels, or undefined. */
export const findValue = (
  samples: readonly Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value
