import type { Plan, PlannedAction } from './plan.ts'
import { runSimulation, type SimulationResult } from './simulation.ts'

/** Maximum number of runs. Each run takes as long as the first. */
const MAX_TRIES = 400

/**
 * Reduces a plan that violates an invariant to the steps that are needed for it. It leaves out ever smaller parts as long as the
 * same invariant is violated (delta debugging, Zeller and Hildebrandt 2002).
 *
 * @param onTry called after every run with its number of steps and whether it violated the same invariant
 * @returns the result of the smallest plan found, or the given result if no step can be left out
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
    const result = await runSimulation(plan)
    const same = result.violation?.invariant === violation.invariant
    onTry(plan.steps.length, same)
    if (same) best = result
    return same
  }
  // Steps after the violation cannot have caused it.
  await attempt(truncatePlan(found))
  for (let size = Math.ceil(best.plan.steps.length / 2); size >= 1 && tries < MAX_TRIES;) {
    let hasRemoved = false
    for (let from = 0; from < best.plan.steps.length && tries < MAX_TRIES;) {
      const { steps } = best.plan
      const kept: PlannedAction[] = [...steps.slice(0, from), ...steps.slice(from + size)]
      if (await attempt({ ...best.plan, steps: kept })) hasRemoved = true
      else from += size
    }
    if (size === 1 && !hasRemoved) break
    size = size > 1 ? Math.floor(size / 2) : 1
  }
  return best
}

/** Returns the plan without the steps after its violation. */
const truncatePlan = ({ plan, violation }: SimulationResult): Plan => ({
  ...plan,
  steps: plan.steps.filter(({ at }) => at <= (violation?.at ?? Infinity)),
})
