import './tokens.css'
import './inspector.css'
import './panel/panel.css'
import './search.css'
import './chart/chart.css'
import './chart/controls.css'
import './phone.css'
import { VisuallyHidden } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import {
  IconAlertTriangle,
  IconArrowsExchange,
  IconFlask,
  IconHistory,
  IconSitemap,
} from '@tabler/icons-react'
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react'
import { createPortal } from 'react-dom'
import { Chart } from './chart/chart.tsx'
import { changeLocation, useInspectorLocation, type View } from './inspector-location.ts'
import { Panel } from './panel/panel.tsx'
import { BottomSheet } from './bottom-sheet.tsx'
import { RealState } from './real-state.tsx'
import { RegionChips } from './region-chips.tsx'
import { Search, SearchField } from './search.tsx'
import { SourceProvider } from './source-context.tsx'
import type { InspectionSource } from './source.ts'
import { StateTab } from './state-tab.tsx'
import { texts } from './texts.ts'

const ICONS: Record<View, typeof IconFlask> = {
  state: IconAlertTriangle,
  chart: IconSitemap,
  'time-travel': IconHistory,
  exchanges: IconArrowsExchange,
  'what-if': IconFlask,
}
const DESKTOP_VIEWS: readonly View[] = ['chart', 'time-travel', 'exchanges', 'what-if']
const PHONE_VIEWS: readonly View[] = ['state', ...DESKTOP_VIEWS]

const TimeTravel = lazy(async () => ({ default: (await import('./time-travel/time-travel.tsx')).TimeTravel }))
const Exchanges = lazy(async () => ({ default: (await import('./exchanges/exchanges.tsx')).Exchanges }))
const WhatIf = lazy(async () => ({ default: (await import('./what-if/what-if.tsx')).WhatIf }))
const HistoryStrip = lazy(async () => ({ default: (await import('./history-strip.tsx')).HistoryStrip }))

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** Handles the keys that work anywhere in the inspector: 1 to 4, Ctrl K and / for the search, Esc for the overview. */
function useGlobalKeys(openSearch: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isSearch = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k'
      if (!isSearch && (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target))) return
      if (event.defaultPrevented || document.querySelector('[role=dialog]') !== null) return
      const view = DESKTOP_VIEWS[Number(event.key) - 1]
      if (isSearch || event.key === '/') openSearch()
      else if (view !== undefined) changeLocation({ view })
      else if (event.key === 'Escape') changeLocation({ open: null, line: null, state: null })
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => {
      window.removeEventListener('keydown', onKeyDown)
    }
  }, [openSearch])
}

function Tabs({ views, view }: { views: readonly View[]; view: View }) {
  return (
    <div role="tablist" aria-label={texts.viewsName} className="ins-tabs">
      {views.map((name) => {
        const Icon = ICONS[name]
        return (
          <button
            key={name}
            type="button"
            role="tab"
            id={`ins-tab-${name}`}
            aria-selected={name === view}
            aria-controls="ins-view"
            tabIndex={name === view ? 0 : -1}
            onClick={() => {
              changeLocation({ view: name })
            }}
            onKeyDown={(event) => {
              const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
              const next = step && views[(views.indexOf(name) + step + views.length) % views.length]
              if (!next) return
              changeLocation({ view: next })
              document.getElementById(`ins-tab-${next}`)?.focus()
            }}
          >
            <Icon size={18} aria-hidden="true" />
            {texts.views[name]}
          </button>
        )
      })}
    </div>
  )
}

/** Shows children in the header of the page, beside its other tools. */
function InHeader({ children }: { children: ReactNode }) {
  const [slot, setSlot] = useState<Element | null>(null)
  useEffect(() => {
    setSlot(document.getElementById('header-tools'))
  }, [])
  return slot === null ? null : createPortal(children, slot)
}

function ViewContent({ view, isPhone }: { view: View; isPhone: boolean }) {
  if (view === 'state') return <StateTab />
  if (view === 'time-travel') return <TimeTravel />
  if (view === 'exchanges') return <Exchanges />
  if (view === 'what-if') return <WhatIf />
  return (
    <div className="ins-chart-view">
      <div className="ins-chart-column">
        <Chart isTall={isPhone} />
        {!isPhone && (
          <Suspense fallback={null}>
            <HistoryStrip />
          </Suspense>
        )}
      </div>
      {isPhone ? (
        <BottomSheet>
          <Panel />
        </BottomSheet>
      ) : (
        <Panel />
      )}
    </div>
  )
}

/** Inspector of one device: its chart, its past, its exchanges, and its possible futures. */
export function Inspector({ source }: { source: InspectionSource }) {
  const [isSearching, setIsSearching] = useState(false)
  const isPhone = useMediaQuery('(max-width: 699px)', window.innerWidth < 700, {
    getInitialValueInEffect: false,
  })
  const location = useInspectorLocation()
  const view = location.view ?? (isPhone ? 'state' : 'chart')
  const [openSearch] = useState(() => () => {
    setIsSearching(true)
  })
  useGlobalKeys(openSearch)
  return (
    <SourceProvider source={source}>
      <div className="inspector" data-phone={isPhone || undefined}>
        <VisuallyHidden component="h1">{texts.title}</VisuallyHidden>
        <InHeader>
          <SearchField onOpen={openSearch} />
        </InHeader>
        <div className="ins-bar">
          <Tabs
            views={isPhone ? PHONE_VIEWS : DESKTOP_VIEWS}
            view={view === 'state' && !isPhone ? 'chart' : view}
          />
          {!isPhone && (view === 'what-if' ? <RealState /> : <RegionChips />)}
        </div>
        <div id="ins-view" role="tabpanel" aria-labelledby={`ins-tab-${view}`} className="ins-view">
          <Suspense fallback={null}>
            <ViewContent view={view === 'state' && !isPhone ? 'chart' : view} isPhone={isPhone} />
          </Suspense>
        </div>
        <Search
          opened={isSearching}
          onClose={() => {
            setIsSearching(false)
          }}
        />
      </div>
    </SourceProvider>
  )
}
