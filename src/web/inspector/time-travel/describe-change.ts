import type { LicenseState, Transition } from '../source.ts'
import { describeRow, parseOutcome, readFailure, readText } from './describe-row.ts'

/** Part of a sentence. */
export interface TextPart {
  readonly text: string
  readonly strong?: boolean
}

const plain = (text: string): TextPart[] => [{ text }]

/** Says in one or two sentences what a transition was, and what follows for the product. */
export function describeChange(row: Transition): readonly TextPart[] {
  if (row.before.state !== row.after.state) return describeStateChange(row)
  if (row.before.license !== row.after.license && row.after.license === 'reserved.not-authorized')
    return plain('More is in use than is reserved. Only license management works.')
  if (row.before.license !== row.after.license && row.after.license === 'reserved.authorized')
    return plain('The reserved licenses cover everything in use again. Nothing is limited.')
  return plain(`${describeRow(row)}. The license state did not change.`)
}

function describeStateChange(row: Transition): readonly TextPart[] {
  switch (row.after.state) {
    case 'out-of-compliance':
      return [
        { text: 'The license server answered: ' },
        ...describeShortage(row),
        { text: ' in use is more than was purchased. Nothing is refused for that.' },
      ]
    case 'authorized':
      return row.before.state === 'auth-expired'
        ? plain('The license server was reached again and answered: enough licenses for everything in use.')
        : plain('The license server answered: enough licenses for everything in use.')
    case 'auth-expired':
      return plain(
        'The license server was not reached before the deadline of the authorization. Everything still works.',
      )
    case 'registered':
      return plain('The license server accepted the token. The first authorization is asked for at once.')
    case 'reserved':
      return plain('Licenses are reserved for this device. It makes no connections from now on.')
    case 'evaluation':
      return plain(`${describeEnd(row)} All features work for the evaluation time that is left.`)
    case 'unregistered':
      return row.before.state === 'evaluation'
        ? plain(
            'The evaluation time is used up. Only license management works until the device is registered.',
          )
        : plain(`${describeEnd(row)} No evaluation time is left, so only license management works.`)
  }
}

/** Names what is short, from the entitlements of the answer. */
function describeShortage({ payload }: Transition): TextPart[] {
  const { entitlements } = payload
  const short = (Array.isArray(entitlements) ? entitlements : []).flatMap((entry: unknown): string[] => {
    const { status, count, name, tag } = entry as Record<string, unknown>
    const label = typeof name === 'string' && name !== '' ? name : tag
    return status === 'out-of-compliance' && typeof count === 'number' && typeof label === 'string'
      ? [`${count} ${label}`]
      : []
  })
  return [{ text: short.length === 0 ? 'what is' : short.join(' and '), strong: true }]
}

/** Says how a registration, an evaluation or a reservation ended. */
function describeEnd(row: Transition): string {
  const outcome = parseOutcome(row.event)
  const failure = readFailure(row)
  if (row.event === 'reservation.return') return 'The reservation was returned.'
  if (row.event === 'product.upgrade') return `The product was upgraded to ${readText(row, 'version')}.`
  if (row.event === 'clock.tick')
    return 'The registration expired: its ID certificate was not renewed in time.'
  if (outcome?.kind === 'deregister') return 'The device was deregistered.'
  if (outcome?.outcome === 'refused')
    return `The license server ended the registration${failure ? `: ${failure.message}` : ''}.`
  return `${describeRow(row)}.`
}

/** Says in a few words what made the license state change, as the lines of the chart do. */
export function describeCauseOfChange(change: {
  readonly event: string
  readonly from: LicenseState
  readonly to: LicenseState
  readonly full: boolean
}): string {
  const { event, from, to, full } = change
  if (from === to)
    return full ? 'covered again, everything works' : 'more in use than reserved, license management only'
  switch (to) {
    case 'out-of-compliance':
      return from === 'auth-expired' ? 'contact again, too few licenses' : 'more in use than purchased'
    case 'authorized':
      return from === 'auth-expired' ? 'contact again, enough licenses' : 'enough licenses'
    case 'auth-expired':
      return 'no contact until the deadline'
    case 'registered':
      return from === 'evaluation' || from === 'unregistered' ? 'registers' : 'registers again'
    case 'reserved':
      return 'reservation installed'
    case 'evaluation':
    case 'unregistered':
      if (event === 'product.upgrade') return 'upgrade'
      if (event === 'reservation.return') return 'reservation returned'
      return from === 'evaluation' ? 'time used up' : 'registration ends'
  }
}
