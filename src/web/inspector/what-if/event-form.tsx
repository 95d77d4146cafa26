import { NativeSelect } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { ExternalEventType } from '../../../inspection/event-schemas.ts'
import type { Start } from './use-start.ts'
import type { WhatIfForm } from './what-if-form.ts'
import { whatIfTexts as t } from './what-if-texts.ts'

const EventFields = lazy(() => import('./event-fields.tsx'))

const TYPES = Object.keys(t.events) as ExternalEventType[]

type Group = keyof typeof t.groups
function getGroup(type: ExternalEventType): Group {
  if (type.endsWith('.unreachable')) return 'silence'
  if (type.endsWith('.refused')) return 'refusals'
  if (type.endsWith('.accepted')) return 'answers'
  return type.startsWith('reservation.') ? 'reservation' : 'product'
}
const GROUPS = (Object.keys(t.groups) as Group[]).map((group) => ({
  group: t.groups[group],
  items: TYPES.filter((type) => getGroup(type) === group).map((type) => ({
    value: type,
    label: t.events[type],
  })),
}))

/** Chooses an event that is sent at the beginning, with a form made from its schema. */
export function EventForm(props: {
  readonly form: WhatIfForm
  readonly start: Start | null
  readonly onChange: (part: Partial<WhatIfForm>) => void
}) {
  const { form, start, onChange } = props
  const { eventType } = form
  return (
    <div className="ins-what-if-event">
      <NativeSelect
        label={t.event}
        value={eventType ?? ''}
        data={[{ value: '', label: t.eventNone }, ...GROUPS]}
        onChange={({ currentTarget }) => {
          const type = TYPES.find((each) => each === currentTarget.value) ?? null
          onChange({ eventType: type, event: null })
        }}
      />
      {eventType !== null && start && (
        <Suspense fallback={null}>
          <EventFields
            key={`${eventType} ${start.id} ${start.from}`}
            type={eventType}
            start={start}
            onChange={onChange}
          />
        </Suspense>
      )}
    </div>
  )
}
