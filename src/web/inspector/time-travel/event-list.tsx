import { useElementSize, useMergedRef } from '@mantine/hooks'
import { useQueries } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useSource } from '../source-context.tsx'
import type { Transition } from '../source.ts'
import { StateIcon } from '../state-style.tsx'
import { timeTexts } from '../time-texts.ts'
import { formatInstant } from '../../../inspection/utc-time.ts'
import { describeRow } from './describe-row.ts'
import type { Position } from './use-position.ts'

const ROW_HEIGHT = 46
/** Number of rows that one request reads. */
const PAGE_SIZE = 100

/** Lists all events, newest first. Only the rows in view are read and drawn. */
export function EventList({ position }: { position: Position }) {
  const { firstId, lastId, id, select } = position
  const scroller = useRef<HTMLDivElement>(null)
  const { ref, height } = useElementSize<HTMLDivElement>()
  const merged = useMergedRef(scroller, ref)
  const [top, setTop] = useState(0)
  const count = lastId === 0 ? 0 : lastId - firstId + 1
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - 5)
  const last = Math.min(count - 1, Math.ceil((top + height) / ROW_HEIGHT) + 5)
  const ids = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => lastId - first - i)
  const rows = usePages(ids)
  useEffect(() => {
    const list = scroller.current
    if (!list || id === 0) return
    const start = (lastId - id) * ROW_HEIGHT
    if (start < list.scrollTop) list.scrollTop = start
    else if (start + ROW_HEIGHT > list.scrollTop + list.clientHeight)
      list.scrollTop = start + ROW_HEIGHT - list.clientHeight
  }, [id, lastId])
  return (
    <div
      className="ins-travel-list ins-travel-events"
      ref={merged}
      role="region"
      aria-label={timeTexts.travel.eventList}
      tabIndex={0}
      onScroll={({ currentTarget }) => {
        setTop(currentTarget.scrollTop)
      }}
    >
      <ol style={{ height: count * ROW_HEIGHT }}>
        {ids.map((rowId) => (
          <li
            key={rowId}
            style={{ top: (lastId - rowId) * ROW_HEIGHT }}
            aria-setsize={count}
            aria-posinset={lastId - rowId + 1}
          >
            <EventButton id={rowId} row={rows.get(rowId)} isSelected={rowId === id} onSelect={select} />
          </li>
        ))}
      </ol>
    </div>
  )
}

/** Reads the pages that contain transitions. Returns the rows by id. */
function usePages(ids: readonly number[]): Map<number, Transition> {
  const { key, history } = useSource()
  const pages = [...new Set(ids.map((id) => Math.floor((id - 1) / PAGE_SIZE)))]
  return useQueries({
    queries: pages.map((page) => {
      const range = { after: page * PAGE_SIZE, before: (page + 1) * PAGE_SIZE + 1, limit: PAGE_SIZE }
      return { queryKey: [...key, 'history', range], queryFn: () => history(range) }
    }),
    combine: (results) =>
      new Map(results.flatMap(({ data }) => data?.history ?? []).map((row) => [row.id, row])),
  })
}

function EventButton(props: {
  readonly id: number
  readonly row: Transition | undefined
  readonly isSelected: boolean
  readonly onSelect: (id: number) => void
}) {
  const { id, row, isSelected, onSelect } = props
  return (
    <button
      type="button"
      data-selected={isSelected}
      aria-current={isSelected ? 'step' : undefined}
      onClick={() => {
        onSelect(id)
      }}
    >
      {row && (
        <>
          <span className="ins-travel-event-state" data-license-state={row.after.state}>
            {row.before.state !== row.after.state && <StateIcon state={row.after.state} size={16} />}
          </span>
          <span>
            <span>{describeRow(row)}</span>
            <time dateTime={row.at}>{formatInstant(Date.parse(row.at))}</time>
          </span>
        </>
      )}
    </button>
  )
}
