import { Button, NativeSelect, TextInput } from '@mantine/core'
import { IconDeviceFloppy, IconPlayerPlayFilled } from '@tabler/icons-react'
import { AUTHORITIES } from './authorities.ts'
import { toWhatIfTest } from '../../../inspection/what-if-test.ts'
import type { WhatIfOptions } from '../../../../machines/what-if.ts'
import { downloadText } from '../../shared/download-text.ts'
import { useInspectorLocation } from '../inspector-location.ts'
import { useStatus } from '../source-context.tsx'
import { EventForm } from './event-form.tsx'
import type { RunResult } from './worker-messages.ts'
import { StartPicker } from './start-picker.tsx'
import type { StartQuery } from './use-start.ts'
import { formatCommand, getMaxAmount, toDuration, UNITS, type WhatIfForm } from './what-if-form.ts'
import { whatIfTexts as t } from './what-if-texts.ts'

interface PanelProps {
  readonly form: WhatIfForm
  readonly onChange: (form: WhatIfForm) => void
  readonly start: StartQuery
  readonly isRunning: boolean
  readonly onRun: () => void
  readonly options: WhatIfOptions | null
  /** Result of the options. Null while the run is not finished. */
  readonly run: RunResult | null
}

/** Form of what the page assumes, and what can be done with the result. */
export function WhatIfPanel(props: PanelProps) {
  const { form, onChange, start, isRunning, onRun, options } = props
  const { at } = useInspectorLocation()
  // The command starts now, and sends no event.
  const isPresent = at === null && form.customAt === null && form.eventType === null
  const change = (part: Partial<WhatIfForm>) => {
    onChange({ ...form, ...part })
  }
  return (
    <form
      className="ins-what-if-panel"
      aria-label={t.form}
      onSubmit={(event) => {
        event.preventDefault()
        onRun()
      }}
    >
      <StartPicker form={form} start={start} onChange={change} />
      <AuthorityPicker form={form} onChange={change} />
      <DurationFields form={form} onChange={change} />
      <EventForm form={form} start={start.data ?? null} onChange={change} />
      <Button
        type="submit"
        className="ins-primary"
        fullWidth
        h={32}
        leftSection={<IconPlayerPlayFilled size={14} aria-hidden="true" />}
        disabled={options === null}
      >
        {isRunning ? t.running : t.run}
      </Button>
      <SaveButton {...props} />
      {options && (
        <div className="ins-what-if-command">
          {isPresent ? (
            <>
              <span>{t.terminal}</span>
              <pre className="ins-code">{formatCommand(options)}</pre>
            </>
          ) : (
            <span>{t.noTerminal}</span>
          )}
        </div>
      )}
    </form>
  )
}

interface PartProps {
  readonly form: WhatIfForm
  readonly onChange: (part: Partial<WhatIfForm>) => void
}

function AuthorityPicker({ form, onChange }: PartProps) {
  return (
    <fieldset className="ins-what-if-choices">
      <legend>{t.authority}</legend>
      {AUTHORITIES.map((authority) => (
        <label key={authority} data-checked={form.authority === authority}>
          <input
            type="radio"
            name="what-if-authority"
            checked={form.authority === authority}
            onChange={() => {
              onChange({ authority })
            }}
          />
          {t.authorities[authority]}
        </label>
      ))}
    </fieldset>
  )
}

function DurationFields({ form, onChange }: PartProps) {
  const { amount, unit } = form
  return (
    <div className="ins-what-if-duration">
      <TextInput
        label={t.pass}
        inputMode="decimal"
        autoComplete="off"
        value={amount}
        error={toDuration(form) === null && t.amountError(getMaxAmount(unit))}
        onChange={({ currentTarget }) => {
          onChange({ amount: currentTarget.value })
        }}
      />
      <NativeSelect
        aria-label={t.unit}
        value={unit}
        data={UNITS.map((value) => ({ value, label: t.units[value] }))}
        onChange={({ currentTarget }) => {
          const chosen = UNITS.find((each) => each === currentTarget.value)
          if (chosen) onChange({ unit: chosen })
        }}
      />
    </div>
  )
}

/** Saves the run as a test file that asserts its path. */
function SaveButton({ start, options, run }: PanelProps) {
  const device = useStatus().data?.product.serial ?? null
  const snapshot = start.data?.snapshot
  return (
    <Button
      variant="default"
      fullWidth
      h={32}
      leftSection={<IconDeviceFloppy size={16} aria-hidden="true" />}
      disabled={!snapshot || !options || !run}
      onClick={() => {
        if (!snapshot || !options || !run) return
        const day = new Date(options.from).toISOString().slice(0, 10)
        downloadText(
          `what-if-${day}.test.ts`,
          toWhatIfTest({ device, snapshot, options, run }),
          'text/typescript',
        )
      }}
    >
      {t.save}
    </Button>
  )
}
