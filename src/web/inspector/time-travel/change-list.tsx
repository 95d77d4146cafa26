import { IconChevronRight } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { useHistory, useStateChanges } from '../source-context.tsx'
import type { StateChange } from '../source.ts'
import { StateBadge } from '../state-style.tsx'
import { texts } from '../texts.ts'
import { timeTexts } from '../time-texts.ts'
import { formatCount, formatInstant } from '../../../inspection/utc-time.ts'
import { describeCauseOfChange } from './describe-change.ts'
import { describeRow, parseOutcome } from './describe-row.ts'
import { describeFold, type Fold, foldChanges } from './fold-changes.ts'
import type { Position } from './use-position.ts'

const t = timeTexts.travel

/** Number of events that an opened fold lists. */
const FOLD_LIMIT = 200

/** Lists the state changes, newest first. The events between them are folded. */
export function ChangeList({ position }: { position: Position }) {
  const history = useStateChanges().data
  const { id, changes, select, setMode } = position
  const items = history ? foldChanges(history) : []
  const selected = changes.findLast((change) => change.id <= id)?.id
  return (
    <ol className="ins-travel-list" aria-label={t.list}>
      {items.map((item) =>
        item.kind === 'fold' ? (
          <FoldItem
            key={`fold ${item.before}`}
            fold={item}
            id={id}
            onSelect={select}
            onShowAll={() => {
              setMode('events')
            }}
          />
        ) : (
          <ChangeItem
            key={item.change.id}
            change={item.change}
            isSelected={item.change.id === selected}
            isExact={item.change.id === id}
            onSelect={select}
          />
        ),
      )}
    </ol>
  )
}

/** Scrolls an element into its list when it becomes the selected one. */
function useScrollIntoList(isSelected: boolean) {
  const ref = useRef<HTMLLIElement>(null)
  useEffect(() => {
    if (isSelected) ref.current?.scrollIntoView({ block: 'nearest' })
  }, [isSelected])
  return ref
}

function ChangeItem(props: {
  readonly change: StateChange
  readonly isSelected: boolean
  readonly isExact: boolean
  readonly onSelect: (id: number) => void
}) {
  const { change, isSelected, isExact, onSelect } = props
  const { id, at, from, to } = change
  const ref = useScrollIntoList(isSelected)
  return (
    <li ref={ref}>
      <button
        type="button"
        className="ins-travel-change"
        data-selected={isSelected}
        aria-current={isExact ? 'step' : undefined}
        onClick={() => {
          onSelect(id)
        }}
      >
        <span>
          <StateBadge state={to} />
          <time dateTime={at}>{formatInstant(Date.parse(at))}</time>
        </span>
        <span>
          {from === to ? t.same : t.from(texts.states[from])}: {describeCauseOfChange(change)}
        </span>
      </button>
    </li>
  )
}

function FoldItem(props: {
  readonly fold: Fold
  readonly id: number
  readonly onSelect: (id: number) => void
  readonly onShowAll: () => void
}) {
  const { fold, id, onSelect, onShowAll } = props
  const [isOpen, setOpen] = useState(false)
  // The text of the newest fold needs its events, because no later change has counted them.
  const isTail = fold.before === 0
  const range = { after: fold.after, ...(!isTail && { before: fold.before }), limit: FOLD_LIMIT }
  const rows = useHistory(range, isOpen || isTail).data?.history ?? []
  const text =
    isTail && rows.length === fold.events ? describeFold(fold.events, countAttempts(rows)) : fold.text
  return (
    <li>
      <button
        type="button"
        className="ins-travel-fold"
        aria-expanded={isOpen}
        onClick={() => {
          setOpen(!isOpen)
        }}
      >
        <IconChevronRight size={14} stroke={2} aria-hidden="true" />
        {text}
      </button>
      {isOpen && (
        <ol className="ins-travel-rows">
          {rows.toReversed().map((row) => (
            <li key={row.id}>
              <button
                type="button"
                data-selected={row.id === id}
                aria-current={row.id === id ? 'step' : undefined}
                onClick={() => {
                  onSelect(row.id)
                }}
              >
                <time dateTime={row.at}>{formatInstant(Date.parse(row.at))}</time>
                <span>{describeRow(row)}</span>
              </button>
            </li>
          ))}
          {rows.length > 0 && rows.length < fold.events && (
            <li>
              <button type="button" className="ins-travel-more" onClick={onShowAll}>
                {t.older(formatCount(fold.events - rows.length))}
              </button>
            </li>
          )}
        </ol>
      )}
    </li>
  )
}

function countAttempts(rows: readonly { readonly event: string }[]): {
  answered: number
  unanswered: number
} {
  const outcomes = rows.map(({ event }) => parseOutcome(event)).filter((outcome) => outcome !== null)
  const unanswered = outcomes.filter(({ outcome }) => outcome === 'unreachable').length
  return { unanswered, answered: outcomes.length - unanswered }
}
