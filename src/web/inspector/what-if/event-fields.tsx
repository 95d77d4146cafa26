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
import type { ExternalEventType } from '../../../inspection/event-schemas.ts'
import type { Start } from './use-start.ts'
import type { WhatIfForm } from './what-if-form.ts'
import { whatIfTexts as t } from './what-if-texts.ts'

/** Fields of an event, made from its schema. They load apart, because most runs send no event. */
export default function EventFields(props: {
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
    // The text stands for the event, which each rendering makes again.
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
