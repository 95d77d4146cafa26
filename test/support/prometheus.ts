/** One sample of the text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const METRIC = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${METRIC}) (.+)$`)
const TYPE = new RegExp(`^# TYPE (${METRIC}) (counter|gauge|histogram|summary|untyped)$`)
// `Nan` is how the library writes it, and Prometheus reads it.
const SAMPLE = new RegExp(
  `^(${METRIC})(?:\\{(.*)\\})? (NaN|Nan|[+-]Inf|[+-]?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`,
)
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy

/**
 * Reads the text format of Prometheus (version 0.0.4) as strictly as it is written down: HELP and TYPE before the samples of
 * a family, which stand together; names of histograms by their suffixes; no series twice; a counter's name ends in `_total`.
 *
 * @throws Error where a line is not of the format
 */
export function parseMetrics(text: string): { types: Map<string, string>; samples: Sample[] } {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const types = new Map<string, string>()
  const helped = new Set<string>()
  const seen = new Set<string>()
  const samples: Sample[] = []
  let family = ''
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const help = HELP.exec(line)
    const type = TYPE.exec(line)
    if (help) {
      const [, name = ''] = help
      if (helped.has(name)) throw new Error(`a second HELP: ${line}`)
      helped.add(name)
    } else if (type) {
      const [, name = '', kind = ''] = type
      if (types.has(name)) throw new Error(`a second TYPE: ${line}`)
      types.set(name, kind)
      family = name
    } else samples.push(readSample(line, family, types.get(family) ?? '', seen))
  }
  for (const name of types.keys()) if (!helped.has(name)) throw new Error(`${name} has no HELP`)
  return { types, samples }
}

function readSample(line: string, family: string, kind: string, seen: Set<string>): Sample {
  const [, name = '', inner, number = ''] = SAMPLE.exec(line) ?? []
  if (name === '') throw new Error(`no sample: ${line}`)
  const suffixes =
    kind === 'histogram' ? ['_bucket', '_sum', '_count'] : kind === 'summary' ? ['', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === `${family}${suffix}`)) throw new Error(`not of its family: ${line}`)
  const labels: Record<string, string> = {}
  let read = 0
  for (const [whole, label = '', value = ''] of (inner ?? '').matchAll(LABEL)) {
    if (label in labels) throw new Error(`a label twice: ${line}`)
    labels[label] = value
    read += whole.length
  }
  if (read !== (inner ?? '').length) throw new Error(`labels that cannot be read: ${line}`)
  const series = `${name}${JSON.stringify(Object.entries(labels).sort())}`
  if (seen.has(series)) throw new Error(`a series twice: ${line}`)
  seen.add(series)
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

/** The value of the one series of that name with those labels; undefined where there is none. */
export const findValue = (
  samples: readonly Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined =>
  samples.find(
    (one) =>
      one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  )?.value
