import type { Plan, PlannedAction } from './plan.ts'
import { runSimulation, type SimulationResult } from './simulation.ts'

/** Histories that are tried at most: each takes as long as the first. */
const MAX_TRIES = 400

/**
 * Reduces a plan whose history violates an invariant to the steps that it takes: ever smaller parts of it are left out, as long as
 * the same invariant is violated (delta debugging, Zeller and Hildebrandt 2002).
 *
 * @param onTry told of every history that was tried: how many steps it had, and whether it did the same
 * @returns the history of the smallest plan that was found, the one given where nothing can be left out
 */
export async function shrink(
  found: SimulationResult,
  onTry: (steps: number, same: boolean) => void = () => undefined,
): Promise<SimulationResult> {
  const { violation } = found
  if (!violation) return found
  let best = found
  let tries = 0
  const attempt = async (plan: Plan): Promise<boolean> => {
    tries++
    const history = await runSimulation(plan)
    const same = history.violation?.invariant === violation.invariant
    onTry(plan.steps.length, same)
    if (same) best = history
    return same
  }
  // What was to happen after it did not matter.
  await attempt(truncatePlan(found))
  for (let size = Math.ceil(best.plan.steps.length / 2); size >= 1 && tries < MAX_TRIES;) {
    let any = false
    for (let from = 0; from < best.plan.steps.length && tries < MAX_TRIES;) {
      const { steps } = best.plan
      const kept: PlannedAction[] = [...steps.slice(0, from), ...steps.slice(from + size)]
      if (await attempt({ ...best.plan, steps: kept })) any = true
      else from += size
    }
    if (size === 1 && !any) break
    size = size > 1 ? Math.floor(size / 2) : 1
  }
  return best
}

/** The plan without what comes after its violation. */
const truncatePlan = ({ plan, violation }: SimulationResult): Plan => ({
  ...plan,
  steps: plan.steps.filter(({ at }) => at <= (violation?.at ?? Infinity)),
})
