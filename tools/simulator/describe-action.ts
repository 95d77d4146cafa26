import { formatDuration } from '../../src/core/time.ts'
import type { Action, LinkConditions } from './plan.ts'

const formatDevice = (number: number): string => `box ${number + 1}`

/** A deed as people tell it. */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case 'register':
      return `${formatDevice(action.box)} is registered with token ${action.token + 1}${action.force ? ', by force' : ''}`
    case 'deregister':
      return `${formatDevice(action.box)} is deregistered`
    case 'renew-registration':
      return `${formatDevice(action.box)} is told to renew its registration`
    case 'renew-authorization':
      return `${formatDevice(action.box)} is told to renew its authorization`
    case 'use':
      return `${formatDevice(action.box)} uses ${action.count} of ${action.tag}`
    case 'upgrade':
      return `${formatDevice(action.box)} is upgraded to ${action.version}`
    case 'change-transport':
      return `${formatDevice(action.box)} is given the transport ${action.transport}`
    case 'reservation-request':
      return `${formatDevice(action.box)} makes a reservation request code`
    case 'reservation-cancel':
      return `${formatDevice(action.box)} gives its reservation request up`
    case 'reserve':
      return `${action.count} of HOST are reserved for ${formatDevice(action.box)}`
    case 'reservation-update':
      return `the reservation of ${formatDevice(action.box)} is changed to ${action.count} of HOST`
    case 'reservation-install':
      return `the newest authorization file is carried to ${formatDevice(action.box)}`
    case 'reservation-discard':
      return `${formatDevice(action.box)} gives an authorization file back without installing it`
    case 'reservation-return':
      return `${formatDevice(action.box)} makes a return code`
    case 'reservation-take-back':
      return `the return code of ${formatDevice(action.box)} is entered at the authority`
    case 'power-cut':
      return `${formatDevice(action.box)} is about to lose power: at write ${action.after}, for ${formatDuration(action.off)}`
    case 'restart':
      return action.reboot
        ? `${formatDevice(action.box)} is shut down for ${formatDuration(action.off)}`
        : `the agent of ${formatDevice(action.box)} is restarted`
    case 'suspend':
      return `${formatDevice(action.box)} is suspended for ${formatDuration(action.for)}`
    case 'set-clock':
      return `the clock of ${formatDevice(action.box)} is set ${action.by < 0 ? 'back' : 'forward'} by ${formatDuration(action.by)}`
    case 'drift':
      return `the clock of ${formatDevice(action.box)} runs at ${action.rate.toFixed(6)} of the right rate`
    case 'full-disk':
      return `the disk of ${formatDevice(action.box)} is full for ${formatDuration(action.for)}`
    case 'keep-copy':
      return `the data directory of ${formatDevice(action.box)} is copied`
    case 'restore-copy':
      return `the copied data directory of ${formatDevice(action.box)} is put back`
    case 'cut-off':
      return `${formatDevice(action.box)} is cut off for ${formatDuration(action.for)}`
    case 'degrade-network':
      return `the network of ${formatDevice(action.box)} is ${describeConditions(action)}`
    case 'satellite-cut-off':
      return `${formatAuthority(action.satellite)} is cut off from its manager for ${formatDuration(action.for)}`
    case 'degrade-satellite-network':
      return `the network between ${formatAuthority(action.satellite)} and its manager is ${describeConditions(action)}`
    case 'synchronize':
      return `${formatAuthority(action.satellite)} is told to synchronize`
    case 'give-licenses':
      return `${action.quantity} of ${action.tag} are moved to ${formatAuthority(action.satellite)}`
    case 'fault':
      return `the fault ${action.fault} meets ${formatDevice(action.box)} ${action.times === 1 ? 'once' : `${action.times} times`}`
    case 'authority-power-cut':
      return `${formatAuthority(action.authority)} is about to lose power: at write ${action.after}, for ${formatDuration(action.off)}`
    case 'authority-away':
      return `nobody reaches ${formatAuthority(action.authority)} for ${formatDuration(action.for)}`
    case 'authority-full-disk':
      return `the disk of ${formatAuthority(action.authority)} is full for ${formatDuration(action.for)}`
    case 'authority-set-clock':
      return `the clock of ${formatAuthority(action.authority)} is set ${action.by < 0 ? 'back' : 'forward'} by ${formatDuration(action.by)}`
    case 'order':
      return `${action.quantity} of ${action.tag} are bought${action.days === null ? '' : `, for ${action.days} days`}`
    case 'new-token':
      return 'a registration token is made'
    case 'revoke-token':
      return 'the oldest registration token is revoked'
    case 'remove-instance':
      return `${formatDevice(action.box)} is removed at the authority`
    case 'transfer-instance':
      return `${formatDevice(action.box)} is moved to the other virtual account`
    case 'transfer-licenses':
      return `${action.quantity} of ${action.tag} are moved to the other virtual account`
    case 'rotate':
      return `the authority takes another ${action.what === 'signer' ? 'key for its answers' : 'issuing CA'}`
  }
}

export const formatAuthority = (number: number): string =>
  number === 0 ? 'the authority' : `satellite ${number}`

const describeConditions = (conditions: LinkConditions): string =>
  `bad for ${formatDuration(conditions.for)}: ${formatPercent(conditions.lost)} of requests and ${formatPercent(conditions.lostAnswers)} of answers lost, ${formatPercent(conditions.twice)} twice, ${formatPercent(conditions.garbled)} garbled, ${formatPercent(conditions.replayed)} replayed, up to ${formatDuration(conditions.slow)} slow`

const formatPercent = (share: number): string => `${Math.round(share * 100)} %`
