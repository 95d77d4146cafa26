import { isAnswerFault } from '../src/faults/index.ts'
import type { PlannedAnswerFault } from './authority-parts.ts'
import type { PlannedConnectionFault } from './network/fault-schedule.ts'

const isOfAnswers = (plan: PlannedAnswerFault | PlannedConnectionFault): plan is PlannedAnswerFault =>
  isAnswerFault(plan.fault)

/** Separates the faults of answers from the one of names, connections or the proxy. @throws TypeError for a second one */
export function splitFaults(planned: readonly (PlannedAnswerFault | PlannedConnectionFault)[]): {
  answers: PlannedAnswerFault[]
  connection: PlannedConnectionFault | null
} {
  const answers = planned.filter(isOfAnswers)
  const [connection = null, second] = planned.filter(
    (plan): plan is PlannedConnectionFault => !isOfAnswers(plan),
  )
  if (second)
    throw new TypeError(
      `Set at most one fault of names, connections or the proxy: ${connection?.fault ?? ''} and ${second.fault} cannot occur together.`,
    )
  return { answers, connection }
}
