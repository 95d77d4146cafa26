import { Alert, Button, Checkbox, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { toFailure } from '../shared/api.ts'
import { FailureAlert, getFieldError } from '../shared/failure.tsx'
import { useApiMutation } from './queries.ts'
import { texts } from './texts.ts'

/** Form for a registration token. “Overwrite” is selected automatically when the instance already exists (R-REG-3). */
export function TokenForm(props: {
  intro: string
  button: string
  send: (token: string, force: boolean) => Promise<unknown>
  onDone?: () => void
}) {
  const { intro, button, send, onDone } = props
  const [token, setToken] = useState('')
  const [force, setForce] = useState(false)
  const t = texts.register
  const act = useApiMutation(
    () => send(token, force),
    () => {
      setToken('')
      onDone?.()
    },
  )
  const exists = act.error !== null && toFailure(act.error).code === 'INSTANCE_ALREADY_REGISTERED'
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        act.mutate(undefined, {
          onError: (error) => {
            if (toFailure(error).code === 'INSTANCE_ALREADY_REGISTERED') setForce(true)
          },
        })
      }}
    >
      <Stack gap="sm">
        <Text size="sm">{intro}</Text>
        <Textarea
          label={t.token}
          required
          rows={3}
          value={token}
          error={getFieldError(act.error, 'token')}
          autoComplete="off"
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          onChange={(event) => {
            setToken(event.currentTarget.value)
          }}
        />
        <Checkbox
          label={t.overwrite}
          checked={force}
          onChange={(event) => {
            setForce(event.currentTarget.checked)
          }}
        />
        <FailureAlert failure={act.error} fields={['token']} />
        {exists && <Alert color="blue">{t.overwriteTicked}</Alert>}
        <Group>
          <Button type="submit" loading={act.isPending}>
            {button}
          </Button>
          {act.isPending && (
            <Text size="sm" role="status">
              {t.pending}
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  )
}
