import { IconArrowRight, IconChevronRight } from '@tabler/icons-react'
import { describeChange, type Exit, formatMove } from '../chart/moves.ts'
import { formatShort } from '../format-time.ts'
import { changeLocation } from '../inspector-location.ts'
import type { Explanation } from '../source.ts'
import { StateBadge } from '../state-style.tsx'
import { texts } from '../texts.ts'

const t = texts.panel

export const capitalize = (words: string): string => words.replace(/^./, (first) => first.toUpperCase())

/** Lists what happens by itself, with dates. */
export function ComesNext({ next }: { next: Explanation['next'] }) {
  return (
    <section>
      <h3>{t.comesNext}</h3>
      {next.length === 0 ? (
        <p>{t.nothingNext}</p>
      ) : (
        <dl className="ins-next">
          {next.map(({ at, what }) => (
            <div key={`${at} ${what}`}>
              <dt>
                <time dateTime={at}>{formatShort(at)}</time>
              </dt>
              <dd>{capitalize(what)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

function PossibleExit({ exit, isShort }: { exit: Exit; isShort: boolean }) {
  return exit.possible.map((change) => (
    <span key={`${change.event} ${change.code ?? ''}`} className="ins-exit-way">
      <span>{describeChange(change)}</span>
      {change.code !== null && !isShort && <code>{change.code}</code>}
    </span>
  ))
}

/** Lists the ways out of a state, those that are possible now with their conditions and codes. */
export function LeadsOut({ exits, isShort = false }: { exits: readonly Exit[]; isShort?: boolean }) {
  return (
    <section>
      <h3>{t.leadsOut}</h3>
      <ul className="ins-exits">
        {exits.map((exit) => (
          <li key={formatMove(exit.move)}>
            <button
              type="button"
              data-short={isShort || undefined}
              onClick={() => {
                changeLocation({ line: formatMove(exit.move), state: null, view: 'chart' })
              }}
            >
              <span className="ins-exit-head">
                <IconArrowRight size={15} aria-hidden="true" />
                <StateBadge state={exit.move[1]} />
              </span>
              {exit.possible.length === 0 || (isShort && exit.possible.length > 1) ? (
                <span className="ins-exit-way">
                  <span>
                    {exit.possible.length > 1
                      ? t.ways(capitalize(exit.label), exit.possible.length)
                      : capitalize(exit.label)}
                  </span>
                </span>
              ) : (
                <PossibleExit exit={exit} isShort={isShort} />
              )}
              {isShort && <IconChevronRight className="ins-chevron" size={18} aria-hidden="true" />}
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
