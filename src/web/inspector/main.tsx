import '@mantine/core/styles.css'
import '../shared/page.css'
import { Alert, Button, MantineProvider, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from '@tanstack/react-query'
import { setNonce } from 'get-nonce'
import { StrictMode, useMemo } from 'react'
import { createRoot } from 'react-dom/client'
import { readNonce } from '../shared/nonce.ts'
import { theme } from '../shared/theme.ts'
import { createBundleSource, type ServedDocument } from './bundle-source.ts'
import { Inspector } from './inspector.tsx'
import { isOtherMachine, setMachineDrawing } from './machine-drawing.ts'
import { texts } from './texts.ts'

/** Interval in which a page of this device reads it again, in milliseconds. */
const REFRESH_MS = 5_000

async function readDocument(): Promise<ServedDocument> {
  const response = await fetch(`/bundle${window.location.search}`)
  if (!response.ok) throw new Error(((await response.json()) as { error: string }).error)
  const served = (await response.json()) as ServedDocument
  setMachineDrawing(served.bundle.drawing)
  return served
}

/** Query of the document, which all queries of the inspector share. */
const DOCUMENT = { queryKey: ['document'], queryFn: readDocument }

/** Page of the inspector alone: of this device, of a support bundle, or of a new device. */
function InspectorPage() {
  const document = useQuery(DOCUMENT)
  const kind = document.data?.kind
  const client = useQueryClient()
  const source = useMemo(
    () => (kind === undefined ? null : createBundleSource(() => client.fetchQuery(DOCUMENT), kind)),
    [client, kind],
  )
  if (document.error !== null)
    return (
      <Alert color="red" m="md" role="alert">
        {texts.page.failed(document.error.message)}
      </Alert>
    )
  if (!document.data || source === null) return null
  const { product } = document.data.bundle.status
  return (
    <div className="ins-page" data-kind={source.kind}>
      <header className="ins-page-header">
        <span className="ins-page-title">{texts.page.title(source.kind, product.serial)}</span>
        <div id="header-tools" />
        <SchemeButton />
      </header>
      {source.kind !== 'device' && (
        <p className="ins-page-banner" role="note">
          {texts.page.banner(source.kind, document.data.bundle.at)}{' '}
          {isOtherMachine() && texts.page.otherMachine(document.data.bundle.version)}
        </p>
      )}
      <main>
        <Inspector source={source} />
      </main>
    </div>
  )
}

function SchemeButton() {
  const { setColorScheme } = useMantineColorScheme()
  const other = useComputedColorScheme('light') === 'light' ? 'dark' : 'light'
  return (
    <Button
      variant="subtle"
      size="xs"
      onClick={() => {
        setColorScheme(other)
      }}
    >
      {texts.page.scheme[other]}
    </Button>
  )
}

const root = document.getElementById('root')
if (root) {
  setNonce(readNonce())
  const client = new QueryClient({
    defaultOptions: { queries: { retry: false, refetchInterval: REFRESH_MS, staleTime: REFRESH_MS } },
  })
  void client.prefetchQuery(DOCUMENT)
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={readNonce}>
        <QueryClientProvider client={client}>
          <InspectorPage />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
}
