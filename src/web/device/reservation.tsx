import { Button, Divider, Group, Modal, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { CopyableCode } from '../shared/copyable-code.tsx'
import { Confirm } from '../shared/confirm.tsx'
import { FailureAlert } from '../shared/failure.tsx'
import { FileDrop } from '../shared/file-drop.tsx'
import { texts as shared } from '../shared/texts.ts'
import { api, type Status, useApiMutation } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.reservation

/** Guides through a new reservation: show the request code, then install the authorization file. */
export function Reservation(props: { status: Status; opened: boolean; onClose: () => void }) {
  const { status, opened, onClose } = props
  const { requestCode } = status.reservation
  const [asking, setAsking] = useState(false)
  const request = useApiMutation(() => api.mutate('reservation-request'))
  const cancel = useApiMutation(
    () => api.mutate('reservation-cancel'),
    () => {
      setAsking(false)
    },
  )
  return (
    <Modal opened={opened} onClose={onClose} size="lg" title={t.title}>
      <Stack>
        <Text size="sm">{t.intro}</Text>
        {requestCode === null ? (
          <>
            <Group>
              <Button
                loading={request.isPending}
                onClick={() => {
                  request.mutate(undefined)
                }}
              >
                {t.requestButton}
              </Button>
            </Group>
            <FailureAlert failure={request.error} />
          </>
        ) : (
          <>
            <CopyableCode label={t.request} code={requestCode} fileName="reservation-request-code.txt" />
            <Text size="sm" c="dimmed">
              {t.requestHint}
            </Text>
            <Group>
              <Button onClick={onClose}>{shared.ok}</Button>
              <Button
                variant="default"
                onClick={() => {
                  setAsking(true)
                }}
              >
                {t.cancel}
              </Button>
            </Group>
            <Divider />
            <Title order={3} size="h5">
              {t.install}
            </Title>
            <InstallAuthorization onDone={onClose} />
          </>
        )}
        {requestCode === null && status.reservation.status === 'none' && <DiscardAuthorization />}
      </Stack>
      <Confirm
        opened={asking}
        title={t.cancelTitle}
        text={t.cancelText}
        pending={cancel.isPending}
        failure={cancel.error}
        onYes={() => {
          cancel.mutate(undefined)
        }}
        onNo={() => {
          setAsking(false)
          cancel.reset()
        }}
      />
    </Modal>
  )
}

function InstallAuthorization({ onDone }: { onDone: () => void }) {
  const [file, setFile] = useState<string | null>(null)
  const install = useApiMutation((text: string) => api.mutate('reservation-install', { file: text }), onDone)
  return (
    <>
      <FileDrop label={t.file} onText={setFile} />
      <FailureAlert failure={install.error} />
      <Group>
        <Button
          disabled={file === null}
          loading={install.isPending}
          onClick={() => {
            if (file !== null) install.mutate(file)
          }}
        >
          {t.installButton}
        </Button>
      </Group>
    </>
  )
}

/** Creates the return code of an authorization file whose request was canceled. */
function DiscardAuthorization() {
  const [opened, setOpened] = useState(false)
  const discard = useApiMutation((text: string) => api.mutate('reservation-discard', { file: text }))
  return (
    <>
      <Divider />
      <Group>
        <Button
          variant="subtle"
          size="xs"
          aria-expanded={opened}
          onClick={() => {
            setOpened(!opened)
          }}
        >
          {t.discard}
        </Button>
      </Group>
      {opened && (
        <FileDrop
          label={t.file}
          onText={(text) => {
            discard.mutate(text)
          }}
        />
      )}
      <FailureAlert failure={discard.error} />
      {discard.data && (
        <CopyableCode
          label={t.returnCode}
          code={discard.data.returnCode}
          fileName="reservation-return-code.txt"
        />
      )}
    </>
  )
}

/** Completes a modification: installs the newer file and shows the confirmation code. */
export function ModifyLicenses({ status }: { status: Status }) {
  const { confirmationCode } = status.reservation
  const [opened, setOpened] = useState(false)
  const [file, setFile] = useState<string | null>(null)
  const update = useApiMutation((text: string) => api.mutate('reservation-update', { file: text }))
  return (
    <>
      {confirmationCode !== null && (
        <Stack gap="xs">
          <CopyableCode
            label={t.confirmation}
            code={confirmationCode}
            fileName="reservation-confirmation-code.txt"
          />
          <Text size="sm" c="dimmed">
            {t.confirmationHint}
          </Text>
        </Stack>
      )}
      <Group>
        <Button
          variant="default"
          onClick={() => {
            setOpened(true)
          }}
        >
          {t.modify}
        </Button>
      </Group>
      <Modal
        opened={opened}
        onClose={() => {
          setOpened(false)
          setFile(null)
          update.reset()
        }}
        size="lg"
        title={t.modifyTitle}
      >
        <Stack>
          <Text size="sm">{t.modifyHint}</Text>
          <FileDrop label={t.file} onText={setFile} />
          <FailureAlert failure={update.error} />
          {update.data ? (
            <>
              {update.data.reservation.confirmationCode !== null && (
                <CopyableCode
                  label={t.confirmation}
                  code={update.data.reservation.confirmationCode}
                  fileName="reservation-confirmation-code.txt"
                />
              )}
              <Text size="sm" c="dimmed">
                {t.confirmationHint}
              </Text>
            </>
          ) : (
            <Group>
              <Button
                disabled={file === null}
                loading={update.isPending}
                onClick={() => {
                  if (file !== null) update.mutate(file)
                }}
              >
                {t.update}
              </Button>
            </Group>
          )}
        </Stack>
      </Modal>
    </>
  )
}
