/** Fields that hold a secret by their name, whatever is in them. */
const SECRET_FIELD =
  /^(authorization|cookie|set-cookie|bearer|code|token|mac)$|password|passphrase|secret|private.?key|one.?time/i
/** A code of the error table is no secret. */
const ERROR_CODE = /^[A-Z][A-Z0-9_]+$/
const HIDDEN = '[hidden]'

/** What is a secret by its form, wherever it stands in a text. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/SLT1\.[^\s"']+/g, 'SLT1.…'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, HIDDEN],
  [/\b(Bearer|Basic) +[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/(\w:\/\/)[^\s/@]+@/g, `$1${HIDDEN}@`],
]

const redactText = (text: string): string =>
  SECRETS.reduce((left, [form, instead]) => left.replace(form, instead), text)

/**
 * What goes into a log, without what looks like a secret by its name or form. A second line of defense: the callers word
 * their lines from public facts.
 */
export function redact(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    const isCode = name === 'code' && ERROR_CODE.test(value)
    return SECRET_FIELD.test(name) && !isCode ? HIDDEN : redactText(value)
  }
  if (Array.isArray(value)) return value.map((one) => redact(one))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, held]) => [
      field,
      // Whatever is below such a name, too.
      typeof held !== 'string' && held !== null && SECRET_FIELD.test(field) ? HIDDEN : redact(held, field),
    ]),
  )
}
