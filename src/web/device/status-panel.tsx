import { Button, Group, Modal, Paper, Title } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { texts } from './texts.ts'

const t = texts.status

/** Panel with a status and its details. “View/Edit” opens a dialog with its actions. */
export function StatusPanel(props: { title: string; testId: string; facts: ReactNode; children: ReactNode }) {
  const { title, testId, facts, children } = props
  const [opened, setOpened] = useState(false)
  return (
    <Paper withBorder p="lg" data-testid={testId}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {title}
        </Title>
        <Button
          variant="default"
          size="xs"
          aria-label={`${t.viewEdit}: ${title}`}
          onClick={() => {
            setOpened(true)
          }}
        >
          {t.viewEdit}
        </Button>
      </Group>
      {facts}
      <Modal
        opened={opened}
        onClose={() => {
          setOpened(false)
        }}
        size="lg"
        title={title}
      >
        {children}
      </Modal>
    </Paper>
  )
}
