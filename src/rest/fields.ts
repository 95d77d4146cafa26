import { z } from 'zod'
import { toLicensingError } from '../core/errors.ts'
import { type Instant } from '../core/time.ts'
import { toErrorStatus } from '../http/error-status.ts'
import { formatErrorText } from './error-responses.ts'

/** A whole number, as a number or in digits: clients send both. */
export const integerField = (least: number, most: number) =>
  z
    .union([z.int(), z.string().regex(/^-?\d{1,12}$/)], {
      error: ({ input }) => (input === undefined ? 'it is missing' : 'not a whole number'),
    })
    .transform(Number)
    .pipe(z.int().min(least, `at least ${least}`).max(most, `at most ${most}`))

/** A name that is only ever looked up. */
export const nameField = z.string().max(253)
/** Things that are done in one call: a client of the field's asks for 998 at a time. */
export const MAX_BATCH_ITEMS = 1_000

/** How much of a long list: -1 for all of it. @param defaultLimit where none is given, or null */
export const limitField = (defaultLimit: number) =>
  integerField(-1, 100_000)
    .nullish()
    .transform((limit) => limit ?? defaultLimit)

/** Which part of a long list. */
export const pageFields = {
  limit: limitField(50),
  offset: integerField(0, 10_000_000)
    .nullish()
    .transform((offset) => offset ?? 0),
}
/** A list of texts; one that is alone comes without its list too, as every form sends it. */
export const stringListField = <T extends z.ZodType<string, string>>(text: T, most: number) =>
  z.union([z.array(text).max(most), text.transform((one) => (one === '' ? [] : [one]))]).nullish()
export const virtualAccountsField = stringListField(nameField, MAX_BATCH_ITEMS)

/** One of a few words, in capitals or not; nothing is none of them. */
export const enumField = <const T extends readonly [string, ...string[]]>(words: T, error?: string) =>
  z
    .string(error)
    .max(64)
    .meta({ enum: words })
    .transform((text) => (text.trim() === '' ? null : text.trim().toUpperCase()))
    .pipe(z.enum(words, error).nullable())
    .nullish()

/** A page of a list. @param most entries that -1 stands for */
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

/** How a call of several parts went: a part of it is a warning. */
export const toOutcome = (done: number, of: number): Outcome =>
  done === of ? 'SUCCESS' : done === 0 ? 'ERROR' : 'WARNING'

/** Does each part on its own: what is refused is told as that part's, and the others are done. */
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

/** `2026-Jan-01`, as terms of licenses are told; UTC. */
export function formatTermDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${year}-${month}-${day}`
}

/** `Jan 01, 2026`, as alerts are told; UTC. */
export function formatAlertDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${month} ${day}, ${year}`
}

/** `01-JAN-2026`, as histories are asked for and told; UTC. */
export function formatHistoryDate(at: Instant | string): string {
  const { year, month, day } = toDateParts(at)
  return `${day}-${month.toUpperCase()}-${year}`
}

/** The first instant of a day as clients write it: `2026-Jan-01`, `01-JAN-2026` or ISO 8601; null for none of these. */
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

/** A day, as clients write it. */
export const daySchema = z.string().transform((text, context) => {
  const at = parseDay(text)
  if (at !== null) return at
  context.addIssue({ code: 'custom', message: 'a day is written 2026-01-31, 2026-Jan-31 or 31-JAN-2026' })
  return z.NEVER
})
