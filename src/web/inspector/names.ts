import { machineDrawing } from './machine-drawing.ts'
import { toLicenseState } from './state-style.tsx'
import { texts } from './texts.ts'

/** Returns the name of a top state of a region. */
export function getTopName(region: string, state: string): string {
  const license = region === 'license' ? toLicenseState(state) : null
  if (license) return texts.states[license]
  const names = (texts.regionStates as Record<string, Record<string, string> | undefined>)[region]
  return names?.[state] ?? state
}

/** Returns the name of a state by its id, such as `license.authorized.current`. */
export function getName(id: string): string {
  const [region = '', state = '', ...inner] = id.split('.')
  return inner.length === 0 && state !== ''
    ? getTopName(region, state)
    : (machineDrawing.states[id]?.label ?? id)
}
