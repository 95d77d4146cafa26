import { Button, CopyButton, Group, Image, Stack, Textarea } from '@mantine/core'
import { useState } from 'react'
import { renderSVG } from 'uqr'
import { downloadText } from './download-text.ts'
import { texts } from './texts.ts'

/** Shows a code with a QR code and buttons to copy and save it. */
export function CopyableCode({ label, code, fileName }: { label: string; code: string; fileName: string }) {
  const [qr, setQr] = useState(false)
  return (
    <Stack gap="xs">
      <Textarea
        label={label}
        value={code}
        readOnly
        autosize
        minRows={2}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        onFocus={(event) => {
          event.currentTarget.select()
        }}
      />
      <Group gap="xs">
        <CopyButton value={code}>
          {({ copied, copy }) => (
            <Button variant="light" onClick={copy}>
              {copied ? texts.copied : texts.copy}
            </Button>
          )}
        </CopyButton>
        <Button
          variant="default"
          onClick={() => {
            downloadText(fileName, `${code}\n`)
          }}
        >
          {texts.saveFile}
        </Button>
        <Button
          variant="default"
          aria-expanded={qr}
          onClick={() => {
            setQr(!qr)
          }}
        >
          {qr ? texts.hideQr : texts.showQr}
        </Button>
      </Group>
      {qr && (
        <Image
          src={`data:image/svg+xml,${encodeURIComponent(renderSVG(code, { border: 2 }))}`}
          alt={texts.qrOf(label.toLowerCase())}
          w={260}
          radius="sm"
        />
      )}
    </Stack>
  )
}
