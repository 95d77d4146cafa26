import '@xyflow/react/dist/base.css'
import { type Node, ReactFlow, ReactFlowProvider, useReactFlow } from '@xyflow/react'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { Box } from '../../../diagrams/overview.ts'
import type { Drawing } from './drawing.types.ts'
import { Controls, Legend } from './controls.tsx'
import { Layers } from './layers.tsx'
import { StateNode, type StateNodeType } from './state-node.tsx'
import { type ChartKeyActions, useChartKeys } from './use-chart-keys.ts'
import { fitPicture, MAX_ZOOM, MIN_FIRST_ZOOM, MIN_ZOOM, revealBox, type Size } from './viewport.ts'

const NODE_TYPES = { state: StateNode }
const NO_EDGES: never[] = []
const FIT_MS = 250
const LEGEND_HEIGHT = 44
const FOLLOW_MS = 300

const prefersReducedMotion = (): boolean => window.matchMedia('(prefers-reduced-motion: reduce)').matches
const getDuration = (ms: number): number => (prefersReducedMotion() ? 0 : ms)

interface CanvasProps {
  readonly drawing: Drawing
  readonly name: string
  readonly actions: ChartKeyActions
  readonly onSelect: (id: string) => void
  readonly onOpen: (id: string) => void
}

/** Drawing on a canvas that pans and zooms. */
export function Canvas(props: CanvasProps) {
  const frame = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState<Size | null>(null)
  useLayoutEffect(() => {
    const element = frame.current
    if (!element) return
    const measure = () => {
      const { width, height } = element.getBoundingClientRect()
      if (width > 0 && height > 0)
        setSize((known) => (known?.width === width && known.height === height ? known : { width, height }))
    }
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => {
      observer.disconnect()
    }
  }, [])
  return (
    <div ref={frame} className="ins-canvas">
      {size && (
        <ReactFlowProvider>
          <Flow {...props} size={size} />
        </ReactFlowProvider>
      )}
    </div>
  )
}

/** Returns the active state in the open part of the picture. The other regions' columns are always in view together. */
const findActive = ({ states }: Drawing) => states.find(({ isActive, kind }) => isActive && kind !== 'folded')

/** Returns the box that the first view shows if the picture is too large: the active state, or the open frame's corner. */
function findFocus(drawing: Drawing): Box | undefined {
  const frame = drawing.frames.find(({ kind }) => kind === 'opened')
  return findActive(drawing) ?? (frame && { x: frame.x, y: frame.y, width: 0, height: 0 })
}

/** Keeps the picture in view: fits it when it or the canvas changes, until the user moves it. */
function useFittedViewport({ drawing }: CanvasProps, size: Size) {
  const flow = useReactFlow()
  const [isFollowing, setIsFollowing] = useState(true)
  const hasMoved = useRef(false)
  const active = findActive(drawing)
  const latest = useRef({ drawing, size })
  latest.current = { drawing, size }
  const [first] = useState(() =>
    fitPicture(drawing, size, { minZoom: MIN_FIRST_ZOOM, focus: findFocus(drawing) }),
  )
  const fit = useCallback(
    (minZoom: number, ms: number) => {
      const { drawing: picture, size: canvas } = latest.current
      const focus = findFocus(picture)
      hasMoved.current = false
      // The first view may lie below the legend: the whole picture may not.
      const bottom = minZoom < MIN_FIRST_ZOOM && picture.choice === null ? LEGEND_HEIGHT : 0
      const next = fitPicture(picture, canvas, { minZoom, focus, bottom })
      void flow.setViewport(next, { duration: getDuration(ms) })
    },
    [flow],
  )
  const reveal = useCallback(
    (id: string) => {
      const box = latest.current.drawing.states.find((state) => state.id === id)
      const next = box && revealBox(box, flow.getViewport(), latest.current.size)
      if (next) void flow.setViewport(next, { duration: getDuration(FOLLOW_MS) })
    },
    [flow],
  )
  const shown = useRef(drawing.key)
  useEffect(() => {
    if (shown.current === drawing.key && hasMoved.current) return
    fit(MIN_FIRST_ZOOM, shown.current === drawing.key ? 0 : FIT_MS)
    shown.current = drawing.key
  }, [fit, drawing.key, size])
  useEffect(() => {
    if (isFollowing && active) reveal(active.id)
  }, [isFollowing, active?.id, reveal])
  return { first, fit, reveal, hasMoved, isFollowing, setIsFollowing, active }
}

function Flow(props: CanvasProps & { size: Size }) {
  const { drawing, name, actions, onSelect, onOpen, size } = props
  const flow = useReactFlow()
  const view = useFittedViewport(props, size)
  const [hovered, setHovered] = useState<string | null>(null)
  const frame = useRef<HTMLDivElement>(null)
  const { fit, reveal, setIsFollowing, active } = view
  const follow = () => {
    setIsFollowing(true)
    if (active) reveal(active.id)
  }
  const zoom = (factor: number) => {
    view.hasMoved.current = true
    void flow.zoomTo(Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, flow.getZoom() * factor)), {
      duration: getDuration(120),
    })
  }
  const actualSize = () => {
    view.hasMoved.current = true
    void flow.zoomTo(1, { duration: getDuration(120) })
  }
  const fitAll = () => {
    fit(MIN_ZOOM, FIT_MS)
  }
  const keys = useChartKeys({ drawing, frame, reveal, zoom, actualSize, fit: fitAll, follow, actions })
  const nodes = useMemo(
    () =>
      drawing.states.map((state): StateNodeType => ({
        id: state.id,
        type: 'state',
        position: { x: state.x, y: state.y },
        width: state.width,
        height: state.height,
        zIndex: 3,
        data: { state, isTabStop: state.id === keys.tabStop },
      })),
    [drawing.states, keys.tabStop],
  )
  const select = useCallback(
    (_: unknown, node: Node) => {
      onSelect(node.id)
    },
    [onSelect],
  )
  const open = useCallback(
    (_: unknown, node: Node) => {
      onOpen(node.id)
    },
    [onOpen],
  )
  return (
    <div
      ref={frame}
      className="ins-flow"
      role="group"
      aria-label={name}
      onKeyDown={keys.onKeyDown}
      onFocus={keys.onFocus}
      onBlur={keys.onBlur}
    >
      <ReactFlow
        nodes={nodes}
        edges={NO_EDGES}
        nodeTypes={NODE_TYPES}
        defaultViewport={view.first}
        width={size.width}
        height={size.height}
        minZoom={MIN_ZOOM}
        maxZoom={MAX_ZOOM}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        disableKeyboardA11y
        zoomOnDoubleClick={false}
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={null}
        zoomActivationKeyCode={null}
        panActivationKeyCode={null}
        proOptions={{ hideAttribution: true }}
        onNodeClick={select}
        onNodeDoubleClick={open}
        onMoveStart={(event) => {
          // The event is null for a move by the program.
          if (event) view.hasMoved.current = true
        }}
      >
        <Layers drawing={drawing} hovered={hovered} onHover={setHovered} />
      </ReactFlow>
      <Legend drawing={drawing} />
      <Controls
        isFollowing={view.isFollowing}
        onZoom={zoom}
        onActualSize={actualSize}
        onFit={fitAll}
        onFollow={() => {
          if (view.isFollowing) setIsFollowing(false)
          else follow()
        }}
      />
    </div>
  )
}
