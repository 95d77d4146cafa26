import { Modal } from '@mantine/core'
import {
  IconArrowsSplit2,
  IconBell,
  IconBolt,
  IconHistory,
  IconSearch,
  IconSitemap,
} from '@tabler/icons-react'
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react'
import { changeLocation } from './inspector-location.ts'
import { machineDrawing } from './machine-drawing.ts'
import { createIndex, findResults, type Group, GROUPS, type SearchResult } from './search-index.ts'
import { useStateChanges } from './source-context.tsx'
import { texts } from './texts.ts'

const t = texts.search
const ICONS: Record<Group, typeof IconBell> = {
  state: IconSitemap,
  leads: IconArrowsSplit2,
  event: IconBolt,
  notice: IconBell,
  history: IconHistory,
}

/** Button that looks like a field, and opens the search. */
export function SearchField({ onOpen }: { onOpen: () => void }) {
  return (
    <button type="button" className="ins-search-field" onClick={onOpen}>
      <IconSearch size={16} aria-hidden="true" />
      <span>{t.field}</span>
      <kbd>Ctrl K</kbd>
    </button>
  )
}

/** Search over states, transitions, events, notices and the history. */
export function Search({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      withCloseButton={false}
      size={640}
      padding={0}
      radius={14}
      yOffset="10vh"
      classNames={{ content: 'ins-search' }}
      attributes={{ content: { 'aria-label': t.name } }}
    >
      <SearchContent onClose={onClose} />
    </Modal>
  )
}

function Option(props: { result: SearchResult; id: string; isSelected: boolean; onChoose: () => void }) {
  const { result, id, isSelected, onChoose } = props
  const Icon = ICONS[result.group]
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (isSelected) element.current?.scrollIntoView({ block: 'nearest' })
  }, [isSelected])
  return (
    <div
      ref={element}
      id={id}
      role="option"
      aria-selected={isSelected}
      className="ins-option"
      onMouseDown={(event) => {
        event.preventDefault()
      }}
      onClick={onChoose}
    >
      <Icon size={20} aria-hidden="true" />
      <span>
        <strong>{result.title}</strong>
        <span>{result.detail}</span>
      </span>
    </div>
  )
}

function SearchContent({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('')
  const [index, setIndex] = useState(0)
  const listId = useId()
  const { data: changes } = useStateChanges()
  const entries = useMemo(() => createIndex(machineDrawing, changes), [changes])
  const results = useMemo(() => findResults(entries, text), [entries, text])
  const selected = results[index]
  const getOptionId = (result: SearchResult) => `${listId}-${results.indexOf(result)}`
  const choose = (result: SearchResult | undefined, inPast: boolean) => {
    if (!result) return
    changeLocation((inPast ? result.pastPlace : null) ?? result.place)
    onClose()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined && results.length > 0) setIndex((index + step + results.length) % results.length)
    else if (event.key === 'Enter') choose(selected, event.altKey)
    else return
    event.preventDefault()
  }
  return (
    <>
      <div className="ins-search-head">
        <IconSearch size={20} aria-hidden="true" />
        <input
          data-autofocus
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={selected ? getOptionId(selected) : undefined}
          aria-label={t.field}
          placeholder={t.field}
          value={text}
          onKeyDown={onKeyDown}
          onChange={(event) => {
            setText(event.currentTarget.value)
            setIndex(0)
          }}
        />
        <span role="status">{text !== '' && t.results(results.length)}</span>
        <kbd>Esc</kbd>
      </div>
      <div id={listId} role="listbox" aria-label={t.name} className="ins-search-list" tabIndex={-1}>
        {results.length === 0 && <p className="ins-dim">{t.none}</p>}
        {GROUPS.filter((group) => results.some((result) => result.group === group)).map((group) => (
          <div key={group} role="group" aria-label={t.groups[group]}>
            <div className="ins-search-group" aria-hidden="true">
              {t.groups[group]}
            </div>
            {results
              .filter((result) => result.group === group)
              .map((result) => (
                <Option
                  key={result.key}
                  result={result}
                  id={getOptionId(result)}
                  isSelected={result === selected}
                  onChoose={() => {
                    choose(result, false)
                  }}
                />
              ))}
          </div>
        ))}
      </div>
      <div className="ins-search-keys">
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> {t.keys.move}
        </span>
        <span>
          <kbd>Enter</kbd> {t.keys.chart}
        </span>
        <span>
          <kbd>Alt Enter</kbd> {t.keys.time}
        </span>
      </div>
    </>
  )
}
