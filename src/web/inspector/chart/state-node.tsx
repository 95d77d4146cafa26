import { VisuallyHidden } from '@mantine/core'
import type { Node, NodeProps } from '@xyflow/react'
import { memo } from 'react'
import { StateIcon } from '../state-style.tsx'
import type { DrawnState } from './drawing.types.ts'

export type StateNodeType = Node<{ state: DrawnState; isTabStop: boolean }, 'state'>

/** State of the chart. The arrow keys move between states, so that only one of them is a tab stop. */
export const StateNode = memo(function StateNode({ data }: NodeProps<StateNodeType>) {
  const { state, isTabStop } = data
  return (
    <button
      type="button"
      className="ins-state"
      tabIndex={isTabStop ? 0 : -1}
      data-state-id={state.id}
      data-kind={state.kind}
      data-active={state.isActive || undefined}
      data-next={state.mayComeNext || undefined}
      data-selected={state.isSelected || undefined}
      data-tone={state.tone ?? undefined}
      data-license-state={state.licenseState ?? undefined}
      aria-current={state.isActive || undefined}
    >
      <span className="ins-state-name">
        {state.kind === 'top' && state.licenseState !== null && <StateIcon state={state.licenseState} />}
        <span>{state.name}</span>
        {state.spoken !== null && <VisuallyHidden component="span">, {state.spoken}</VisuallyHidden>}
      </span>
      {state.details.map((detail) => (
        <span key={detail} className="ins-state-detail">
          <VisuallyHidden component="span">, </VisuallyHidden>
          {detail}
        </span>
      ))}
    </button>
  )
})
