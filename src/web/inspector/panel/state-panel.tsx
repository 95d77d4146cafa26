import { IconArrowLeft, IconArrowRight, IconLayoutGrid } from '@tabler/icons-react'
import { formatMove, joinCauses, listExits } from '../chart/moves.ts'
import { formatExact } from '../format-time.ts'
import { changeLocation, useInspectorLocation } from '../inspector-location.ts'
import { machineDrawing } from '../machine-drawing.ts'
import { getName } from '../names.ts'
import type { Explanation, LicenseState, StateChange } from '../source.ts'
import { useExplanation, useStateChanges } from '../source-context.tsx'
import { StateBadge, StateIcon, toLicenseState } from '../state-style.tsx'
import { texts } from '../texts.ts'
import type { Position } from '../use-position.ts'
import { capitalize, ComesNext, LeadsOut } from './sections.tsx'

const t = texts.panel

/** Returns why the active state was entered: the fact that the notice of the change tells, and its event. */
function describeCause(explanation: Explanation | undefined, past: StateChange | undefined) {
  if (past) return { fact: capitalize(past.notices[0]?.message ?? past.inWords), event: past.event }
  const { cause } = explanation ?? {}
  return cause ? { fact: capitalize(cause.fact ?? cause.label), event: cause.event } : null
}

function ActiveFacts({ position }: { position: Position }) {
  const { data: explanation } = useExplanation()
  const { data: changes } = useStateChanges()
  const past = position.isNow ? undefined : changes?.changes.find(({ at }) => at === position.since)
  const cause = describeCause(explanation, past)
  const { capabilities } = explanation ?? {}
  const innerSince = new Date(position.snapshot.context.authorization.since).toISOString()
  const isInnerLater = Date.parse(innerSince) - Date.parse(position.since) > 1000
  return (
    <dl className="ins-facts">
      <div>
        <dt>{t.since}</dt>
        <dd>
          <strong>{formatExact(position.since)}</strong>
        </dd>
      </div>
      {position.state === 'reserved' && isInnerLater && (
        <div>
          <dt>{machineDrawing.states[`license.${position.paths.license}`]?.label}</dt>
          <dd>{t.sinceInner(formatExact(innerSince))}</dd>
        </div>
      )}
      <div>
        <dt>{t.why}</dt>
        <dd>
          {cause?.fact ?? t.noCause}
          {cause && <code>{cause.event}</code>}
        </dd>
      </div>
      {position.isNow && (
        <>
          <div>
            <dt>{t.productMay}</dt>
            <dd>
              {capabilities?.functionality === 'license-management-only'
                ? t.limited(capabilities.reason)
                : t.everything}
            </dd>
          </div>
        </>
      )}
    </dl>
  )
}

/** Lists the states that lead to a state. */
function LeadsHere({ state }: { state: LicenseState }) {
  const moves = machineDrawing.moves.filter(({ from, to }) => to === state && from !== state)
  return (
    <section>
      <h3>{t.leadsHere}</h3>
      <ul className="ins-exits">
        {moves.map(({ from, causes }) => (
          <li key={from}>
            <button
              type="button"
              onClick={() => {
                changeLocation({ line: formatMove([from, state]), state: null })
              }}
            >
              <span className="ins-exit-head">
                <StateBadge state={from} />
              </span>
              <span className="ins-exit-way">
                <span>{capitalize(causes[0]?.label ?? '')}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Explains a license state: the active one with its cause and dates, any other with what leads to it. */
export function LicenseStatePanel({ state, position }: { state: LicenseState; position: Position }) {
  const { data: explanation } = useExplanation()
  const { open } = useInspectorLocation()
  const isActive = state === position.state
  const exits = listExits(machineDrawing, state, position.isNow ? (explanation ?? null) : null)
  const id = `license.${state}`
  return (
    <>
      <header className="ins-hero" data-license-state={state}>
        <h2>
          <StateIcon state={state} size={22} /> {texts.states[state]}
        </h2>
        <p>{capitalize(machineDrawing.states[id]?.description ?? '')}.</p>
      </header>
      <div className="ins-panel-body">
        {isActive ? (
          <ActiveFacts position={position} />
        ) : (
          <p className="ins-dim">{position.isNow ? t.notActive : t.notActiveThen}</p>
        )}
        <div className="ins-panel-actions">
          {open === null ? (
            <button
              type="button"
              className="ins-button"
              onClick={() => {
                changeLocation({ open: id, line: null, state: null })
              }}
            >
              <IconLayoutGrid size={16} aria-hidden="true" /> {t.openInside}
            </button>
          ) : (
            <AllStates />
          )}
        </div>
        {isActive && position.isNow && <ComesNext next={explanation?.next ?? []} />}
        <LeadsOut exits={exits} />
        {!isActive && <LeadsHere state={state} />}
      </div>
    </>
  )
}

function AllStates() {
  return (
    <button
      type="button"
      className="ins-button"
      onClick={() => {
        changeLocation({ open: null, line: null, state: null })
      }}
    >
      <IconArrowLeft size={16} aria-hidden="true" /> {t.allStates}
    </button>
  )
}

/** Lists the ways out of an inner state, or of a top state of another region. */
function listInnerExits(id: string): { line: string; to: string; label: string }[] {
  const edges = Object.values(machineDrawing.insides).flatMap((inside) => inside.edges)
  const moves = machineDrawing.regionMoves.filter(({ region, from }) => `${region}.${from}` === id)
  return [
    ...edges
      .filter(({ from }) => from === id)
      .map((edge) => ({ line: edge.id, to: edge.to, label: edge.label.text.join(' ') })),
    ...moves.map(({ region, line, to, causes }) => ({
      line: `${region}:${line}`,
      to: `${region}.${to}`,
      label: joinCauses(causes),
    })),
  ]
}

/** Explains an inner state, or a state of another region. */
export function InnerStatePanel({ id, position }: { id: string; position: Position }) {
  const [region, ...path] = id.split('.')
  const isActive = Object.entries(position.paths).some(([name, active]) =>
    `${name}.${active}.`.startsWith(`${id}.`),
  )
  const exits = listInnerExits(id)
  const owner = region === 'license' ? toLicenseState(path[0] ?? '') : null
  return (
    <div className="ins-panel-body">
      <AllStates />
      <h2 className="ins-move-title">{getName(id)}</h2>
      <p className="ins-dim">{capitalize(machineDrawing.states[id]?.description ?? '')}.</p>
      <p>
        {owner !== null && <StateBadge state={owner} />} {isActive ? t.activeNow : t.notActive}
      </p>
      <section>
        <h3>{t.leadsOut}</h3>
        {exits.length === 0 ? (
          <p>{t.leadsOutOfParent}</p>
        ) : (
          <ul className="ins-exits">
            {exits.map(({ line, to, label }) => (
              <li key={line}>
                <button
                  type="button"
                  onClick={() => {
                    changeLocation({ line, state: null })
                  }}
                >
                  <span className="ins-exit-head">
                    <IconArrowRight size={15} aria-hidden="true" />
                    <strong>{getName(to)}</strong>
                  </span>
                  <span className="ins-exit-way">
                    <span>{capitalize(label)}</span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
    </div>
  )
}
