import { z } from 'zod'
import { toLicensingError } from '../core/errors.ts'
import { type Instant } from '../core/time.ts'
import { toErrorStatus } from '../http/error-status.ts'
import { formatErrorText } from './error-responses.ts'

/** Schema of an integer, which clients send as a number or as digits. */
export const integerField = (least: number, most: number) =>
  z
    .union([z.int(), z.string().regex(/^-?\d{1,12}$/)], {
      error: ({ input }) => (input === undefined ? 'it is missing' : 'not a whole number'),
    })
    .transform(Number)
    .pipe(z.int().min(least, `at least ${least}`).max(most, `at most ${most}`))

/** Schema of a name for a lookup. */
export const nameField = z.string().max(253)
/** Maximum number of items in one call. A Cisco client sends 998. */
export const MAX_BATCH_ITEMS = 1_000

/** Schema of the maximum number of entries; -1 for all. @param defaultLimit for a missing or null value */
export const limitField = (defaultLimit: number) =>
  integerField(-1, 100_000)
    .nullish()
    .transform((limit) => limit ?? defaultLimit)

export const pageFields = {
  limit: limitField(50),
  offset: integerField(0, 10_000_000)
    .nullish()
    .transform((offset) => offset ?? 0),
}
/** Schema of a list of texts. A single text is accepted without a list, as forms send it. */
export const stringListField = <T extends z.ZodType<string, string>>(text: T, most: number) =>
  z.union([z.array(text).max(most), text.transform((one) => (one === '' ? [] : [one]))]).nullish()
export const virtualAccountsField = stringListField(nameField, MAX_BATCH_ITEMS)

/** Schema of one of several values, without regard to case. An empty text stands for no value. */
export const enumField = <const T extends readonly [string, ...string[]]>(words: T, error?: string) =>
  z
    .string(error)
    .max(64)
    .meta({ enum: words })
    .transform((text) => (text.trim() === '' ? null : text.trim().toUpperCase()))
    .pipe(z.enum(words, error).nullable())
    .nullish()

/** Returns a page of a list. @param most number of entries for a limit of -1 */
export const paginate = <T>(
  list: readonly T[],
  page: { limit: number; offset: number },
  most = Infinity,
): T[] => list.slice(page.offset, page.offset + (page.limit === -1 ? most : page.limit))

export const outcomeSchema = z.object({
  status: z.enum(['SUCCESS', 'ERROR', 'WARNING']),
  statusMessage: z.string(),
})
export type Outcome = z.infer<typeof outcomeSchema>['status']

export const toOkStatus = (statusMessage: string) => ({ status: 'SUCCESS' as const, statusMessage })
export const toRefusedStatus = (statusMessage: string) => ({ status: 'ERROR' as const, statusMessage })

/** Returns the outcome of a batch. A partial success is a warning. */
export const toOutcome = (done: number, of: number): Outcome =>
  done === of ? 'SUCCESS' : done === 0 ? 'ERROR' : 'WARNING'

/** Runs each item of a batch separately. A refused item gets its own error and does not stop the others. */
export async function runBatch<T, R>(
  parts: readonly T[],
  work: (part: T) => Promise<R>,
): Promise<{
  results: ({ done: true; value: R } | { done: false; part: T; message: string })[]
  done: number
}> {
  const results: ({ done: true; value: R } | { done: false; part: T; message: string })[] = []
  for (const part of parts) {
    try {
      results.push({ done: true, value: await work(part) })
    } catch (error) {
      const failure = toLicensingError(error)
      if (toErrorStatus(failure, 422) >= 500) throw error
      results.push({ done: false, part, message: formatErrorText(failure) })
    }
  }
  return { results, done: results.filter((one) => one.done).length }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const toDateParts = (at: Instant | string) => {
  const date = new Date(at)
  const two = (n: number): string => String(n).padStart(2, '0')
  return {
    year: String(date.getUTCFullYear()),
    month: MONTHS[date.getUTCMonth()] ?? '',
    day: two(date.getUTCDate()),
  }
}

/** Formats a day in UTC as in license terms: `2026-Jan-01`. */
export function formatTermDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${year}-${month}-${day}`
}

/** Formats a day in UTC as in alerts: `Jan 01, 2026`. */
export function formatAlertDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${month} ${day}, ${year}`
}

/** Formats a day in UTC as in histories: `01-JAN-2026`. */
export function formatHistoryDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${day}-${month.toUpperCase()}-${year}`
}

/** Parses a day to its first instant: `2026-Jan-01`, `01-JAN-2026` or ISO 8601. Returns null for any other text. */
export function parseDay(text: string): Instant | null {
  const named = /^(?:(\d{4})-([A-Za-z]{3})-(\d{2})|(\d{2})-([A-Za-z]{3})-(\d{4}))$/.exec(text)
  const month = MONTHS.findIndex((one) => one.toLowerCase() === (named?.[2] ?? named?.[5])?.toLowerCase())
  const numbered = /^(\d{4})-(\d{2})-(\d{2})(?:T[\d:.]+Z?)?$/.exec(text)
  const [year, index, day] = named
    ? [named[1] ?? named[6], month, named[3] ?? named[4]]
    : [numbered?.[1], Number(numbered?.[2]) - 1, numbered?.[3]]
  if (year === undefined || day === undefined || index < 0) return null
  const at = Date.UTC(Number(year), index, Number(day))
  return new Date(at).getUTCDate() === Number(day) ? at : null
}

/** Schema of a day in one of the formats of clients. */
export const daySchema = z.string().transform((text, context) => {
  const at = parseDay(text)
  if (at !== null) return at
  context.addIssue({ code: 'custom', message: 'a day is written 2026-01-31, 2026-Jan-31 or 31-JAN-2026' })
  return z.NEVER
})
