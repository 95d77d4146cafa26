import type { ErrorKind } from './error-entry.ts'
import { type ErrorCode, errorTable, isErrorCode } from './error-table.ts'
import { libraryRemedies } from './library-remedies.ts'
import { isResource, type Resource, resources } from './resources.ts'

/** JSON form of an error, as the value of `error` on standard error and on the control socket. */
export interface ErrorDocument {
  readonly code: ErrorCode
  readonly message: string
  /** Remedy for the user of a program. It may name commands. */
  readonly remedy: string
  /** Kind of resource that the error concerns, for codes that apply to several kinds. */
  readonly resource?: Resource
}

const MAX_MESSAGE_LENGTH = 2_000

const CONTROL_CHARACTERS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

function toPrintable(message: string): string {
  const clean = message.replace(CONTROL_CHARACTERS, '\u{fffd}')
  return clean.length <= MAX_MESSAGE_LENGTH ? clean : `${clean.slice(0, MAX_MESSAGE_LENGTH - 1)}…`
}

/**
 * Error class of this project. Compare errors by `code`. The message never contains a secret. Control characters in it
 * are replaced, and it is truncated to 2,000 characters. The error has no `cause`, because causes of network errors
 * contain headers and bodies.
 */
export class LicensingError extends Error {
  override readonly name = 'LicensingError'
  readonly code: ErrorCode
  /** Remedy for a caller of the library. The JSON form has the remedy for the user of a program. */
  readonly remedy: string
  /** Kind of resource that the error concerns, for codes that apply to several kinds. */
  readonly resource: Resource | undefined
  /** Minimum delay before the next attempt in milliseconds, as requested by the server. */
  readonly retryAfterMs: number | undefined
  readonly #commandRemedy: string

  constructor(
    code: ErrorCode,
    message: string,
    options: { remedy?: string; libraryRemedy?: string; resource?: Resource; retryAfterMs?: number } = {},
  ) {
    super(toPrintable(message))
    this.code = code
    const usual = isErrorCode(code) ? errorTable[code].remedy : ''
    this.#commandRemedy = options.remedy ?? usual
    const usualForLibrary = this.#commandRemedy === usual ? libraryRemedies[code] : undefined
    this.remedy = options.libraryRemedy ?? usualForLibrary ?? this.#commandRemedy
    this.resource = options.resource
    this.retryAfterMs = options.retryAfterMs
  }

  /** Creates an error from the JSON form that another process or an authority sent. */
  static fromDocument(document: {
    code: string
    message: string
    remedy: string
    resource?: string | undefined
  }): LicensingError {
    const { code, message, remedy, resource } = document
    // A newer authority may refuse with a code that this version does not know.
    return new LicensingError(code as ErrorCode, message, {
      remedy,
      ...(resource !== undefined && isResource(resource) ? { resource } : {}),
    })
  }

  /** Category of the error. A code that this version does not know is a refusal. */
  get kind(): ErrorKind {
    return isErrorCode(this.code) ? errorTable[this.code].kind : 'refusal'
  }

  /** Exit code of a program that ends with this error: 1 refused or failed, 2 wrong usage. */
  get exitCode(): 1 | 2 {
    return this.kind === 'usage' ? 2 : 1
  }

  toJSON(): ErrorDocument {
    const { code, message, resource } = this
    return { code, message, remedy: this.#commandRemedy, ...(resource === undefined ? {} : { resource }) }
  }
}

/** Creates a NOT_FOUND error. The message must name the resource. */
export const notFoundError = (
  resource: Resource,
  message: string,
  remedy: string = listRemedy(resource),
): LicensingError => new LicensingError('NOT_FOUND', message, { resource, remedy })

/** Creates an ALREADY_EXISTS error. The message must name the resource. */
export const alreadyExistsError = (resource: Resource, message: string, remedy?: string): LicensingError =>
  new LicensingError('ALREADY_EXISTS', message, { resource, ...(remedy === undefined ? {} : { remedy }) })

function listRemedy(resource: Resource): string {
  const command = resources[resource]
  return command === null ? errorTable.NOT_FOUND.remedy : `See \`${command}\`.`
}

/** Converts any thrown value to a LicensingError. An unexpected one becomes INTERNAL, with its message only. */
export function toLicensingError(error: unknown): LicensingError {
  if (error instanceof LicensingError) return error
  const message = error instanceof Error ? error.message : 'unknown failure'
  return new LicensingError('INTERNAL', message)
}
