import { Alert, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { type SyntheticEvent, useState } from 'react'
import type { accessContract, signInContract } from '../../http/sign-in-contract.ts'
import { createApi, type Output, session } from './api.ts'
import { FailureAlert, getFieldError } from './failure.tsx'
import { texts } from './texts.ts'

export const commonApi = createApi<typeof signInContract & typeof accessContract>()
export type CurrentUser = Output<typeof accessContract, 'me'>

/** Submits a form and keeps its error. */
export function useForm(send: () => Promise<void>) {
  const [pending, setPending] = useState(false)
  const [failure, setFailure] = useState<unknown>(null)
  const submit = (event?: SyntheticEvent) => {
    event?.preventDefault()
    setPending(true)
    setFailure(null)
    send()
      .catch((error: unknown) => {
        setFailure(error)
      })
      .finally(() => {
        setPending(false)
      })
  }
  return { pending, failure, submit }
}

export function SignIn(props: { title: string; ended: boolean; onDone: (me: CurrentUser) => void }) {
  const { title, ended, onDone } = props
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const { pending, failure, submit } = useForm(async () => {
    const { token, user } = await commonApi.mutate('sign-in', { name, password })
    session.begin(token)
    onDone(user)
  })
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder shadow="sm" p="xl" w={400} maw="100%">
        <form onSubmit={submit}>
          <Stack>
            <div>
              <Text c="dimmed" size="sm">
                {title}
              </Text>
              <Title order={1} size="h2">
                {texts.signIn.title}
              </Title>
            </div>
            {ended && (
              <Alert color="blue" role="status">
                {texts.signIn.ended}
              </Alert>
            )}
            <TextInput
              label={texts.signIn.name}
              autoComplete="username"
              required
              autoFocus
              value={name}
              error={getFieldError(failure, 'name')}
              onChange={(event) => {
                setName(event.currentTarget.value)
              }}
            />
            <PasswordInput
              label={texts.signIn.password}
              autoComplete="current-password"
              required
              value={password}
              error={getFieldError(failure, 'password')}
              onChange={(event) => {
                setPassword(event.currentTarget.value)
              }}
            />
            <FailureAlert failure={failure} fields={['name', 'password']} />
            <Button type="submit" loading={pending}>
              {texts.signIn.button}
            </Button>
            <Text size="xs" c="dimmed">
              {texts.signIn.first}
            </Text>
          </Stack>
        </form>
      </Paper>
    </Center>
  )
}

/** Form for a new password, which a user must set after signing in with a one-time password. */
export function SetPassword({ name, why, onDone }: { name: string; why: string | null; onDone: () => void }) {
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const { pending, failure, submit } = useForm(async () => {
    await commonApi.mutate('change-password', { current, password })
    onDone()
  })
  const different = again !== '' && again !== password
  const t = texts.setPassword
  return (
    <form onSubmit={submit}>
      <Stack>
        {why !== null && <Text size="sm">{why}</Text>}
        <input type="text" autoComplete="username" value={name} readOnly hidden />
        <PasswordInput
          label={t.current}
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => {
            setCurrent(event.currentTarget.value)
          }}
        />
        <PasswordInput
          label={t.next}
          description={t.hint}
          autoComplete="new-password"
          required
          value={password}
          error={getFieldError(failure, 'password')}
          onChange={(event) => {
            setPassword(event.currentTarget.value)
          }}
        />
        <PasswordInput
          label={t.again}
          autoComplete="new-password"
          required
          value={again}
          error={different ? t.different : undefined}
          onChange={(event) => {
            setAgain(event.currentTarget.value)
          }}
        />
        <FailureAlert failure={failure} fields={['name', 'password']} />
        <Button type="submit" loading={pending} disabled={again !== password}>
          {t.button}
        </Button>
      </Stack>
    </form>
  )
}

export function FirstPassword({ name, onDone }: { name: string; onDone: () => void }) {
  return (
    <Center mih="100vh" p="md" component="main">
      <Paper withBorder shadow="sm" p="xl" w={440} maw="100%">
        <Title order={1} size="h2" mb="sm">
          {texts.setPassword.title}
        </Title>
        <SetPassword name={name} why={texts.setPassword.why} onDone={onDone} />
      </Paper>
    </Center>
  )
}
