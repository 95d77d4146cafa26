import {
  Alert,
  Anchor,
  AppShell,
  Burger,
  Button,
  Container,
  Group,
  MantineProvider,
  Menu,
  Modal,
  NavLink,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core'
import '@mantine/core/styles.css'
import { useDisclosure } from '@mantine/hooks'
import { QueryClient, QueryClientProvider, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { setNonce } from 'get-nonce'
import { toFailure, session } from './api.ts'
import { subscribeWithTabs } from './live-events.ts'
import { readNonce } from './nonce.ts'
import { FailureAlert } from './failure.tsx'
import './page.css'
import { buildHref, useRoute } from './route.ts'
import { commonApi, FirstPassword, type CurrentUser, SetPassword, SignIn } from './sign-in.tsx'
import { texts } from './texts.ts'
import { theme } from './theme.ts'

/** Page in the navigation menu. */
export interface NavItem {
  readonly route: string
  readonly label: string
  /** Icon of the menu, which the narrow menu of a wide page shows alone. */
  readonly icon?: ReactNode
  /** True for a page that takes the whole width, beside a narrow menu of icons. */
  readonly isWide?: boolean
  /** Menu label that depends on data, shown instead of `label`. */
  readonly menuLabel?: ReactNode
  readonly render: (parts: readonly string[], me: CurrentUser) => ReactNode
  /** Returns true if the user may not see the page. */
  readonly isHidden?: (me: CurrentUser) => boolean
}

interface PageProps {
  readonly title: string
  /** Header that depends on data, shown instead of `title`. */
  readonly heading?: ReactNode
  readonly navItems: readonly NavItem[]
  /** Banner above every page. */
  readonly banner?: () => ReactNode
  /** Refetch interval in milliseconds, for data that changes without a server event. */
  readonly refresh?: number
  /** Handles a server event. */
  readonly onServerEvent: (client: QueryClient, event: string, data: unknown) => void
}

/** Renders the console into the document. */
export function start(page: PageProps): void {
  const root = document.getElementById('root')
  if (!root) return
  // Dialogs add style elements, which the Content Security Policy allows only with this nonce.
  setNonce(readNonce())
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        retry: false,
        staleTime: 5_000,
        refetchOnWindowFocus: true,
        refetchInterval: page.refresh ?? false,
      },
    },
  })
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={readNonce}>
        <QueryClientProvider client={client}>
          <Page {...page} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
}

function Page(page: PageProps) {
  const [me, setMe] = useState<CurrentUser | 'unknown' | null>(session.token() === null ? null : 'unknown')
  const [ended, setEnded] = useState(false)
  const client = useQueryClient()
  useEffect(() => {
    const out = () => {
      setEnded(true)
      setMe(null)
      client.clear()
    }
    // Another tab of this browser signed out or signed in as another user.
    const elsewhere = ({ key, newValue }: StorageEvent) => {
      if (key !== 'session-token') return
      if (newValue === null) out()
      else window.location.reload()
    }
    window.addEventListener('signed-out', out)
    window.addEventListener('storage', elsewhere)
    return () => {
      window.removeEventListener('signed-out', out)
      window.removeEventListener('storage', elsewhere)
    }
  }, [client])
  const [unreachable, setUnreachable] = useState<unknown>(null)
  const loadProfile = () => {
    setUnreachable(null)
    commonApi.query('me').then(setMe, (error: unknown) => {
      if (session.token() === null) setMe(null)
      else setUnreachable(error)
    })
  }
  useEffect(() => {
    if (session.token() !== null) loadProfile()
  }, [])
  if (me === 'unknown')
    return unreachable === null ? null : (
      <Container size="xs" py="xl">
        <FailureAlert failure={unreachable} />
        <Button mt="md" onClick={loadProfile}>
          {texts.frame.again}
        </Button>
      </Container>
    )
  if (me === null) return <SignIn title={page.title} ended={ended} onDone={setMe} />
  if (me.mustChange) return <FirstPassword name={me.name} onDone={loadProfile} />
  return <PageFrame {...page} me={me} />
}

function PageFrame({ title, heading, navItems, banner, onServerEvent, me }: PageProps & { me: CurrentUser }) {
  const [opened, { toggle, close }] = useDisclosure()
  const [password, setPassword] = useState(false)
  const [changed, setChanged] = useState(false)
  const [up, setUp] = useState(true)
  const client = useQueryClient()
  const [first = '', ...rest] = useRoute()
  const visible = navItems.filter(({ isHidden }) => !isHidden?.(me))
  const current = visible.find(({ route }) => route === first) ?? visible[0]
  useEffect(
    () =>
      subscribeWithTabs((event, data) => {
        onServerEvent(client, event, data)
      }, setUp),
    [client, onServerEvent],
  )
  useEffect(() => {
    document.title = current ? `${current.label} – ${title}` : title
  }, [current, title])
  const signOut = () => {
    commonApi.mutate('sign-out').catch(toFailure).finally(session.end)
  }
  const isWide = current?.isWide === true
  return (
    <AppShell
      header={{ height: isWide ? 52 : 56 }}
      navbar={{ width: isWide ? 56 : 220, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding={isWide ? 0 : 'md'}
      data-wide={isWide || undefined}
    >
      <Anchor href="#content" className="skip">
        {texts.frame.skip}
      </Anchor>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" miw={0}>
            <Burger
              opened={opened}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={texts.frame.menu}
              aria-expanded={opened}
            />
            <Text fw={700} size="lg" truncate>
              {heading ?? title}
            </Text>
          </Group>
          <Group gap="xs" wrap="nowrap" style={{ flexShrink: 0 }}>
            <div id="header-tools" />
            <SchemeButton />
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" size="xs" aria-label={texts.frame.account(me.name)}>
                  {me.name}
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item
                  onClick={() => {
                    setPassword(true)
                  }}
                >
                  {texts.frame.password}
                </Menu.Item>
                <Menu.Item onClick={signOut}>{texts.frame.signOut}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={texts.frame.pages}>
        {visible.map(({ route, label, icon, menuLabel: name }) => (
          <NavLink
            key={route}
            href={buildHref(route)}
            label={name ?? label}
            leftSection={icon}
            title={isWide ? label : undefined}
            active={route === current?.route}
            aria-current={route === current?.route ? 'page' : undefined}
            onClick={close}
            variant="light"
          />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Container size="xl" px={0} fluid={isWide}>
          {!up && (
            <Alert color="yellow" role="status" mb="md">
              {texts.frame.lost}
            </Alert>
          )}
          {changed && (
            <Alert
              color="green"
              role="status"
              mb="md"
              withCloseButton
              closeButtonLabel={texts.close}
              onClose={() => {
                setChanged(false)
              }}
            >
              {texts.setPassword.done}
            </Alert>
          )}
          {banner?.()}
          {current?.render(rest, me)}
        </Container>
      </AppShell.Main>
      <Modal
        opened={password}
        onClose={() => {
          setPassword(false)
        }}
        title={texts.frame.password}
      >
        <SetPassword
          name={me.name}
          why={null}
          onDone={() => {
            setPassword(false)
            setChanged(true)
          }}
        />
      </Modal>
    </AppShell>
  )
}

function SchemeButton() {
  const { setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light')
  const other = scheme === 'light' ? 'dark' : 'light'
  return (
    <Button
      variant="subtle"
      size="xs"
      aria-label={texts.frame.scheme}
      onClick={() => {
        setColorScheme(other)
      }}
    >
      {texts.frame[other]}
    </Button>
  )
}
