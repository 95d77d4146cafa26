import { VisuallyHidden } from '@mantine/core'
import { IconCircleCheck, IconCircleX } from '@tabler/icons-react'
import { useState } from 'react'
import { useExchanges, useStatus } from '../source-context.tsx'
import type { Exchange } from '../source.ts'
import { formatDay, formatMilliseconds, formatTime } from '../../../inspection/utc-time.ts'
import { exchangeTexts as t } from './exchange-texts.ts'
import '../views.css'
import './exchanges.css'
import { Sequence } from './sequence.tsx'
import { chooseExchanges, getKindName, listLanes, toggleExchange } from './sequence-model.ts'

/** Number of exchanges that are read. */
const LIMIT = 50

/** Shows the exchanges with the license server, step by step, and where one broke. */
export function Exchanges() {
  const query = useExchanges(LIMIT)
  const serial = useStatus().data?.product.serial ?? ''
  const [chosen, setChosen] = useState<readonly number[] | null>(null)
  const exchanges = query.data?.exchanges ?? []
  const selected = chosen ?? chooseExchanges(exchanges)
  // The newer exchange stands above, as in the list.
  const shown = exchanges.filter(({ id }) => selected.includes(id))
  if (query.isSuccess && exchanges.length === 0) return <p className="ins-travel-empty">{t.none}</p>
  return (
    <div className="ins-exchanges">
      <div className="ins-exchanges-list">
        <h2 id="ins-exchanges-title">{t.title}</h2>
        <ul aria-labelledby="ins-exchanges-title">
          {exchanges.map((exchange) => (
            <ExchangeItem
              key={exchange.id}
              exchange={exchange}
              isSelected={selected.includes(exchange.id)}
              onToggle={() => {
                setChosen(toggleExchange(selected, exchange.id))
              }}
            />
          ))}
        </ul>
        <p>{chosen === null && shown.length === 2 ? t.chosen : t.hint}</p>
      </div>
      <div className="ins-exchanges-detail">
        {shown.map((exchange, i) => (
          <Sequence
            key={exchange.id}
            exchange={exchange}
            lanes={listLanes(exchange, serial)}
            hasHead={i === 0 || !areSameLanes(exchange, shown[i - 1])}
          />
        ))}
      </div>
    </div>
  )
}

/** Checks whether two exchanges took the same way, so that one head of lanes stands for both. */
const areSameLanes = (one: Exchange, other: Exchange | undefined): boolean =>
  JSON.stringify(one.route) === JSON.stringify(other?.route)

function ExchangeItem(props: { exchange: Exchange; isSelected: boolean; onToggle: () => void }) {
  const { exchange, isSelected, onToggle } = props
  const { at, kind, duration, outcome, code } = exchange
  const instant = Date.parse(at)
  const isAccepted = outcome === 'accepted'
  const Icon = isAccepted ? IconCircleCheck : IconCircleX
  return (
    <li>
      <button type="button" aria-pressed={isSelected} onClick={onToggle}>
        <Icon size={18} stroke={2} aria-hidden="true" data-outcome={outcome} />
        <span>
          <b>{getKindName(kind)}</b>
          {isAccepted && <VisuallyHidden>{t.answered}</VisuallyHidden>}
          <span>
            <time dateTime={at}>
              {formatDay(instant)}, {formatTime(instant)}
            </time>
            {` · ${formatMilliseconds(duration)}`}
          </span>
          {code !== null && <code>{code}</code>}
        </span>
      </button>
    </li>
  )
}
