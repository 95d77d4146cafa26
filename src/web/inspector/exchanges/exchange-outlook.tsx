import { useHistory, useSnapshot } from '../source-context.tsx'
import type { Exchange, Snapshot } from '../source.ts'
import { toLicenseState } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { formatDate, formatTime } from '../../../inspection/utc-time.ts'
import { exchangeTexts as t } from './exchange-texts.ts'
import { findRow } from './find-row.ts'

/** Number of newest rows in which the row of an exchange is looked for. */
const ROWS = 500

/** Says what to do about a failed exchange, when it is tried again, and until when the state holds. */
export function ExchangeOutlook({ exchange }: { exchange: Exchange }) {
  const rows = useHistory({ limit: ROWS }).data?.history ?? []
  const row = findRow(rows, exchange)
  const snapshot = useSnapshot(row?.id ?? 0, row !== undefined).data
  const outlook = row && snapshot ? readOutlook(exchange.kind, snapshot) : null
  return (
    <p>
      {[exchange.message, exchange.remedy].filter((text) => text !== null).join(' ')}{' '}
      {outlook && (
        <>
          <b>{outlook.nextAt === null ? t.notAgain : t.again(formatTime(outlook.nextAt))}</b> {outlook.holds}
        </>
      )}
    </p>
  )
}

/** Reads the next attempt and the deadline from the snapshot after a failed exchange. */
function readOutlook(kind: string, { snapshot }: Snapshot): { nextAt: number | null; holds: string } {
  const { value, context } = snapshot
  const license = typeof value.license === 'string' ? value.license : (Object.keys(value.license)[0] ?? '')
  const state = toLicenseState(license)
  const name = state ? texts.states[state] : license
  const deadline =
    state === 'auth-expired' ? context.registration?.expiresAt : context.authorization.deadlineAt
  const nextAt =
    kind === 'register'
      ? context.registering?.nextAttemptAt
      : kind === 'renew'
        ? context.renewal.nextAt
        : context.authorization.nextAttemptAt
  return {
    nextAt: nextAt ?? null,
    holds: typeof deadline === 'number' ? t.stays(name, formatDate(deadline)) : t.staysOn(name),
  }
}
