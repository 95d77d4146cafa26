import { NativeSelect, TextInput } from '@mantine/core'
import { changeLocation, useInspectorLocation } from '../inspector-location.ts'
import { useStateChanges } from '../source-context.tsx'
import { StateBadge } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { formatMinute } from '../../../inspection/utc-time.ts'
import type { StartQuery } from './use-start.ts'
import type { WhatIfForm } from './what-if-form.ts'
import { whatIfTexts as t } from './what-if-texts.ts'

const OTHER = 'other'

/** Chooses where a run starts: now, at a change of the state, or at any time since the installation. */
export function StartPicker(props: {
  readonly form: WhatIfForm
  readonly start: StartQuery
  readonly onChange: (part: Partial<WhatIfForm>) => void
}) {
  const { form, start, onChange } = props
  const { at } = useInspectorLocation()
  const changes = useStateChanges().data?.changes ?? []
  const isListed = at === null || changes.some(({ id }) => id === at)
  const isOther = form.customAt !== null
  const { data } = start
  const choose = (value: string) => {
    if (value === OTHER) {
      const from = data?.from ?? Date.now()
      onChange({ customAt: new Date(from).toISOString().slice(0, 16), event: null })
      return
    }
    onChange({ customAt: null })
    changeLocation({ at: value === '' ? null : Number(value) }, { replace: true })
  }
  return (
    <div className="ins-what-if-start">
      <NativeSelect
        label={t.start}
        value={isOther ? OTHER : String(at ?? '')}
        onChange={({ currentTarget }) => {
          choose(currentTarget.value)
        }}
        data={[
          { value: '', label: t.now },
          ...(isListed ? [] : [{ value: String(at), label: t.selected }]),
          ...changes.toReversed().map((change) => ({
            value: String(change.id),
            label: `${formatMinute(Date.parse(change.at))}: ${texts.states[change.to]}`,
          })),
          { value: OTHER, label: t.otherTime },
        ]}
      />
      {isOther && (
        <TextInput
          type="datetime-local"
          label={t.at}
          value={form.customAt}
          error={data === null && t.beforeHistory}
          onChange={({ currentTarget }) => {
            onChange({ customAt: currentTarget.value })
          }}
        />
      )}
      {data && (
        <p>
          <b>{formatMinute(data.from)}</b>
          {data.state && <StateBadge state={data.state} />}
        </p>
      )}
    </div>
  )
}
