import { LicensingError } from '../core/errors.ts'
import { findExceededLimit, type JsonLimits, UNTRUSTED_JSON_LIMITS } from '../core/json-limits.ts'

/** A thousand parts of a call have room. */
const JSON_LIMITS: JsonLimits = { ...UNTRUSTED_JSON_LIMITS, values: 50_000 }

const CONTENT_TYPE_REMEDY =
  'Send JSON with the content type application/json, or a form with application/x-www-form-urlencoded.'

/** Something that came in no form that is read here: 415. */
export class UnsupportedMediaType extends LicensingError {
  constructor() {
    super('REQUEST_MALFORMED', 'The request is neither JSON nor a form.', { remedy: CONTENT_TYPE_REMEDY })
  }
}

/** A form, each name once; a name that comes more than once is a list. */
function parseForm(text: string): Record<string, string | string[]> {
  const form = new URLSearchParams(text)
  const entries = [...new Set(form.keys())].map((name) => {
    const [first = '', ...rest] = form.getAll(name)
    return [name, rest.length === 0 ? first : [first, ...rest]] as const
  })
  return Object.fromEntries(entries)
}

/**
 * The body of a request, as its type says: JSON, also where no type is said; a form; nothing is an empty object.
 *
 * @param contentType the header; undefined where there is none
 * @throws LicensingError REQUEST_MALFORMED
 */
export function parseBody(contentType: string | undefined, text: string): unknown {
  if (text.trim() === '') return {}
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/x-www-form-urlencoded' && !/^\s*[{[]/.test(text)) return parseForm(text)
  if (!['', 'text/plain', 'application/x-www-form-urlencoded'].includes(type) && !/[/+]json$/.test(type))
    throw new UnsupportedMediaType()
  if (findExceededLimit(text, JSON_LIMITS) !== null)
    throw new LicensingError(
      'REQUEST_MALFORMED',
      'The request has more parts, or more within each other, than is taken here.',
      {
        remedy: 'Send less at a time.',
      },
    )
  try {
    return JSON.parse(text) ?? {}
  } catch {
    throw new LicensingError('REQUEST_MALFORMED', 'The request is not the JSON that it should be.', {
      remedy: CONTENT_TYPE_REMEDY,
    })
  }
}
