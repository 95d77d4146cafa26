import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { FailureAlert } from './failure.tsx'
import { texts } from './texts.ts'

/** Asks for confirmation of an action that cannot be undone. */
export function Confirm(props: {
  opened: boolean
  title: string
  text: string
  yes?: string
  no?: string
  pending?: boolean
  failure?: unknown
  children?: ReactNode
  onYes: () => void
  onNo: () => void
}) {
  const { opened, title, text, yes = texts.yes, no = texts.no, pending = false, failure, onYes, onNo } = props
  return (
    <Modal opened={opened} onClose={onNo} title={title}>
      <Stack>
        <Text size="sm">{text}</Text>
        {props.children}
        <FailureAlert failure={failure} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onNo} disabled={pending}>
            {no}
          </Button>
          <Button color="red" onClick={onYes} loading={pending}>
            {yes}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
