import { useEffect, useState } from 'react'
import type { Position } from './use-position.ts'

export const SPEEDS = ['0.5', '1', '2', '4'] as const
export type Speed = (typeof SPEEDS)[number]

/** Milliseconds that a step is shown at speed 1. */
const STEP_MS = 1000

export interface Player {
  readonly isPlaying: boolean
  readonly speed: Speed
  readonly setSpeed: (speed: Speed) => void
  readonly toggle: () => void
}

/** Plays the history step by step. At the end, playing begins again from the first step. */
export function usePlayer({ move, isLast, id, steps }: Position): Player {
  const [isPlaying, setPlaying] = useState(false)
  const [speed, setSpeed] = useState<Speed>('1')
  const isRunning = isPlaying && !isLast
  useEffect(() => {
    if (!isRunning) return
    const timer = setTimeout(
      () => {
        move(1)
      },
      STEP_MS / Number(speed),
    )
    return () => {
      clearTimeout(timer)
    }
    // A new position starts the next wait. Each rendering makes another `move`.
  }, [isRunning, speed, id])
  return {
    isPlaying: isRunning,
    speed,
    setSpeed,
    toggle: () => {
      if (isRunning || steps === 0) {
        setPlaying(false)
        return
      }
      if (isLast) move('first')
      setPlaying(true)
    },
  }
}
