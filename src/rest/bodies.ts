import secureJson from 'secure-json-parse'
import { LicensingError } from '../core/errors.ts'
import { findExceededLimit, type JsonLimits, UNTRUSTED_JSON_LIMITS } from '../core/json-limits.ts'

/** Limits for a body with 1,000 parts. */
const JSON_LIMITS: JsonLimits = { ...UNTRUSTED_JSON_LIMITS, values: 50_000 }

const CONTENT_TYPE_REMEDY =
  'Send JSON with the content type application/json, or a form with application/x-www-form-urlencoded.'

/** Error for an unsupported content type, with the status 415. */
export class UnsupportedMediaType extends LicensingError {
  constructor() {
    super('REQUEST_MALFORMED', 'The request is neither JSON nor a form.', { remedy: CONTENT_TYPE_REMEDY })
  }
}

/** Parses a form. A name that occurs more than once becomes a list. */
function parseForm(text: string): Record<string, string | string[]> {
  const form = new URLSearchParams(text)
  const entries = [...new Set(form.keys())].map((name) => {
    const [first = '', ...rest] = form.getAll(name)
    return [name, rest.length === 0 ? first : [first, ...rest]] as const
  })
  return Object.fromEntries(entries)
}

/**
 * Parses the body of a request by its content type: JSON, which is the default, or a form. An empty body is an empty object.
 *
 * @param contentType value of the header; undefined where it is missing
 * @throws LicensingError REQUEST_MALFORMED
 */
export function parseBody(contentType: string | undefined, text: string): unknown {
  if (text.trim() === '') return {}
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/x-www-form-urlencoded' && !/^\s*[{[]/.test(text)) return parseForm(text)
  if (!['', 'text/plain', 'application/x-www-form-urlencoded'].includes(type) && !/[/+]json$/.test(type))
    throw new UnsupportedMediaType()
  if (findExceededLimit(text, JSON_LIMITS) !== null)
    throw new LicensingError('REQUEST_MALFORMED', 'The request has too many parts or is nested too deeply.', {
      remedy: 'Split the request.',
    })
  try {
    // Refuses the keys `__proto__` and `constructor.prototype`, as the other servers do.
    return secureJson.parse(text, { protoAction: 'error', constructorAction: 'error' }) ?? {}
  } catch {
    throw new LicensingError('REQUEST_MALFORMED', 'The request is not valid JSON.', {
      remedy: CONTENT_TYPE_REMEDY,
    })
  }
}
