import { ActionIcon, Button, NativeSelect } from '@mantine/core'
import {
  IconChevronLeft,
  IconChevronRight,
  IconFlask,
  IconPlayerPauseFilled,
  IconPlayerPlayFilled,
  IconPlayerSkipBack,
  IconPlayerSkipForward,
} from '@tabler/icons-react'
import { changeLocation } from '../inspector-location.ts'
import { timeTexts } from '../time-texts.ts'
import { formatCount } from '../../../inspection/utc-time.ts'
import { CopyTestButton } from './copy-test-button.tsx'
import { type Player, SPEEDS } from './use-player.ts'
import type { Position, StepMode } from './use-position.ts'

const t = timeTexts.travel
const MODES: readonly StepMode[] = ['changes', 'events']

function StepButton(props: {
  label: string
  icon: typeof IconFlask
  disabled: boolean
  onClick: () => void
}) {
  const { label, icon: Icon, disabled, onClick } = props
  return (
    <ActionIcon
      variant="default"
      size={32}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon size={16} stroke={2} aria-hidden="true" />
    </ActionIcon>
  )
}

/** Buttons that step through the history, and that play it. */
function StepButtons({ position, player }: { position: Position; player: Player }) {
  const { step, steps, move, isLast } = position
  const { isPlaying, toggle } = player
  const isFirst = step <= 1
  const PlayIcon = isPlaying ? IconPlayerPauseFilled : IconPlayerPlayFilled
  const goTo = (to: 'first' | 'last' | number) => () => {
    move(to)
  }
  return (
    <div role="group" aria-label={t.controls}>
      <StepButton label={t.first} icon={IconPlayerSkipBack} disabled={isFirst} onClick={goTo('first')} />
      <StepButton label={t.previous} icon={IconChevronLeft} disabled={isFirst} onClick={goTo(-1)} />
      <Button
        className="ins-primary"
        h={32}
        px={12}
        leftSection={<PlayIcon size={14} aria-hidden="true" />}
        disabled={steps === 0}
        onClick={toggle}
      >
        {isPlaying ? t.pause : t.play}
      </Button>
      <StepButton label={t.next} icon={IconChevronRight} disabled={isLast} onClick={goTo(1)} />
      <StepButton label={t.last} icon={IconPlayerSkipForward} disabled={isLast} onClick={goTo('last')} />
    </div>
  )
}

/** Choice of what to step through, and the acts that begin at the selected point. */
function TravelActs({ position }: { position: Position }) {
  const { mode, setMode, changes, events, id } = position
  return (
    <div className="ins-travel-acts">
      <div role="group" aria-label={t.which} className="ins-segmented">
        {MODES.map((value) => (
          <button
            key={value}
            type="button"
            aria-pressed={value === mode}
            onClick={() => {
              setMode(value)
            }}
          >
            {t[value]} {formatCount(value === 'changes' ? changes.length : events)}
          </button>
        ))}
      </div>
      <Button
        variant="default"
        h={32}
        px={12}
        leftSection={<IconFlask size={16} aria-hidden="true" />}
        disabled={id === 0}
        onClick={() => {
          changeLocation({ view: 'what-if', at: id })
        }}
      >
        {t.whatIf}
      </Button>
      <CopyTestButton id={id} />
    </div>
  )
}

/** Controls of time travel: steps, speed, and acts. */
export function TravelControls({ position, player }: { position: Position; player: Player }) {
  const { mode, step, steps } = position
  return (
    <div className="ins-travel-controls">
      <StepButtons position={position} player={player} />
      <span className="ins-travel-count">
        {mode === 'changes' ? t.change : t.event} <b>{formatCount(step)}</b> {t.of(formatCount(steps))}
      </span>
      <NativeSelect
        aria-label={t.speed}
        size="xs"
        w={68}
        value={player.speed}
        data={SPEEDS.map((speed) => ({ value: speed, label: `${speed}×` }))}
        onChange={({ currentTarget }) => {
          const speed = SPEEDS.find((each) => each === currentTarget.value)
          if (speed) player.setSpeed(speed)
        }}
      />
      <TravelActs position={position} />
    </div>
  )
}
