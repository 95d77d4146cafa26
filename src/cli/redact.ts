/** Names of fields whose value is always secret. */
const SECRET_FIELD =
  /^(authorization|cookie|set-cookie|bearer|code|token|mac)$|password|passphrase|secret|private.?key|one.?time/i
/** Error codes, such as TOKEN_EXPIRED, which are not secret. */
const ERROR_CODE = /^[A-Z][A-Z0-9_]+$/
const HIDDEN = '[hidden]'

/** Patterns of secrets inside any text. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/SLT1\.[^\s"']+/g, 'SLT1.…'],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, HIDDEN],
  [/\b(Bearer|Basic) +[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/(\w:\/\/)[^\s/@]+@/g, `$1${HIDDEN}@`],
]

const redactText = (text: string): string =>
  SECRETS.reduce((redacted, [pattern, replacement]) => redacted.replace(pattern, replacement), text)

/**
 * Hides values that look like secrets by field name or pattern. This is a second line of defense: callers log public
 * facts only.
 */
export function redact(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    const isCode = name === 'code' && ERROR_CODE.test(value)
    return SECRET_FIELD.test(name) && !isCode ? HIDDEN : redactText(value)
  }
  if (Array.isArray(value)) return value.map((item) => redact(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, item]) => [
      field,
      // Hides whole objects and arrays under a secret name.
      typeof item !== 'string' && item !== null && SECRET_FIELD.test(field) ? HIDDEN : redact(item, field),
    ]),
  )
}
