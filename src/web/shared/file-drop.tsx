import { Button, FileButton, Paper, Text, VisuallyHidden } from '@mantine/core'
import { type DragEvent, useState } from 'react'
import { texts } from './texts.ts'

/** Reads a chosen or dropped file as text. */
export function FileDrop(props: {
  label: string
  /** Maximum file size in bytes. Larger files are refused. */
  maxBytes?: number
  onText: (text: string, name: string) => void
}) {
  const { label, maxBytes: maxBytes = 200_000, onText } = props
  const [name, setName] = useState<string | null>(null)
  const [over, setOver] = useState(false)
  const [wrong, setWrong] = useState<string | null>(null)
  const readFile = async (file: File | null | undefined) => {
    if (!file) return
    if (file.size > maxBytes) {
      setWrong(texts.drop.tooLarge)
      return
    }
    setWrong(null)
    setName(file.name)
    onText(await file.text(), file.name)
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    void readFile(event.dataTransfer.files.item(0))
  }
  return (
    <Paper
      withBorder
      p="md"
      ta="center"
      bg={over ? 'var(--mantine-primary-color-light)' : 'transparent'}
      style={{ borderStyle: 'dashed' }}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => {
        setOver(false)
      }}
      onDrop={drop}
    >
      <Text size="sm" mb="xs">
        {label}
      </Text>
      <FileButton onChange={(file) => void readFile(file)} inputProps={{ 'aria-label': label }}>
        {(button) => (
          <Button variant="default" {...button}>
            {texts.drop.browse}
          </Button>
        )}
      </FileButton>
      <Text size="sm" c="dimmed" mt="xs">
        {name === null ? texts.drop.hint : texts.drop.chosen(name)}
      </Text>
      {wrong !== null && (
        <Text size="sm" c="red" role="alert">
          {wrong}
        </Text>
      )}
      {name !== null && <VisuallyHidden role="status">{texts.drop.chosen(name)}</VisuallyHidden>}
    </Paper>
  )
}
