import {
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleX,
  IconClockX,
  IconHourglass,
  IconLink,
  IconLock,
} from '@tabler/icons-react'
import type { LicenseState } from './source.ts'
import { texts } from './texts.ts'
import type { Tone } from './tones.ts'

const ICONS: Record<LicenseState, typeof IconLock> = {
  evaluation: IconHourglass,
  unregistered: IconCircleX,
  registered: IconLink,
  authorized: IconCircleCheck,
  'out-of-compliance': IconAlertTriangle,
  'auth-expired': IconClockX,
  reserved: IconLock,
}

export const LICENSE_STATES = Object.keys(ICONS) as LicenseState[]

/** Returns the license state with this name. Null for any other text. */
export const toLicenseState = (name: string): LicenseState | null =>
  LICENSE_STATES.find((state) => state === name) ?? null

export const getStateName = (state: LicenseState): string => texts.states[state]

/** Icon of a license state. The attribute `data-license-state` of an ancestor sets its color. */
export function StateIcon({ state, size = 18 }: { state: LicenseState; size?: number }) {
  const Icon = ICONS[state]
  return <Icon size={size} stroke={2} aria-hidden="true" />
}

/** Tinted badge with the icon and the name of a license state. */
export function StateBadge({ state }: { state: LicenseState }) {
  return (
    <span className="ins-badge" data-license-state={state}>
      <StateIcon state={state} size={16} />
      {getStateName(state)}
    </span>
  )
}

/** Tinted badge with the name of a state of another region. */
export function ToneBadge({ tone, name }: { tone: Tone; name: string }) {
  return (
    <span className="ins-badge" data-tone={tone}>
      <span className="ins-dot" />
      {name}
    </span>
  )
}
