import { Checkbox, NativeSelect, Textarea, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import {
  createValues,
  type Field,
  type FormValues,
  hasSecrets,
  listFields,
  parseEvent,
} from './event-form-model.ts'
import { EVENT_SCHEMAS, type ExternalEventType } from './event-schemas.ts'
import type { Start } from './use-start.ts'
import type { WhatIfForm } from './what-if-form.ts'
import { whatIfTexts as t } from './what-if-texts.ts'

const TYPES = Object.keys(EVENT_SCHEMAS) as ExternalEventType[]

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
        <EventFields
          key={`${eventType} ${start.id} ${start.from}`}
          type={eventType}
          start={start}
          onChange={onChange}
        />
      )}
    </div>
  )
}

function EventFields(props: {
  readonly type: ExternalEventType
  readonly start: Start
  readonly onChange: (part: Partial<WhatIfForm>) => void
}) {
  const { type, start, onChange } = props
  const [values, setValues] = useState<FormValues>(() =>
    createValues(type, start.snapshot.context, start.from),
  )
  const fields = listFields(type)
  const { event, errors } = parseEvent(type, values, start.from)
  const text = JSON.stringify(event)
  useEffect(() => {
    onChange({ event })
    // The text stands for the event, which is made anew at each rendering.
  }, [text])
  return (
    <div className="ins-what-if-fields">
      {fields.length === 0 && <p>{t.noFields}</p>}
      {fields.map((field) => (
        <EventField
          key={field.path}
          field={field}
          value={values[field.path] ?? ''}
          error={errors?.[field.path]}
          onChange={(value) => {
            setValues({ ...values, [field.path]: value })
          }}
        />
      ))}
      {hasSecrets(type) && <p>{t.secrets}</p>}
    </div>
  )
}

function EventField(props: {
  readonly field: Field
  readonly value: string | boolean
  readonly error: string | undefined
  readonly onChange: (value: string | boolean) => void
}) {
  const { field, value, error, onChange } = props
  const { label, kind, options } = field
  if (kind === 'flag')
    return (
      <Checkbox
        size="xs"
        label={label}
        checked={value === true}
        onChange={({ currentTarget }) => {
          onChange(currentTarget.checked)
        }}
      />
    )
  const common = {
    label,
    value: typeof value === 'string' ? value : '',
    error,
    onChange: ({ currentTarget }: { currentTarget: { value: string } }) => {
      onChange(currentTarget.value)
    },
  }
  switch (kind) {
    case 'choice':
      return <NativeSelect {...common} data={[...options]} />
    case 'json':
      return (
        <Textarea
          {...common}
          autosize
          minRows={2}
          maxRows={8}
          spellCheck={false}
          className="ins-what-if-json"
        />
      )
    case 'instant':
      return <TextInput {...common} type="datetime-local" />
    default:
      return <TextInput {...common} inputMode={kind === 'number' ? 'decimal' : 'text'} autoComplete="off" />
  }
}
