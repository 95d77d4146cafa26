import { formatDuration } from '../../src/core/time.ts'
import type { Action, LinkConditions } from './plan.ts'

const formatDevice = (number: number): string => `device ${number + 1}`

/** Formats an action for the trace. */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case 'register':
      return `${formatDevice(action.device)} is registered with token ${action.token + 1}${action.force ? ', with force' : ''}`
    case 'deregister':
      return `${formatDevice(action.device)} is deregistered`
    case 'renew-registration':
      return `${formatDevice(action.device)} is asked to renew its registration`
    case 'renew-authorization':
      return `${formatDevice(action.device)} is asked to renew its authorization`
    case 'use':
      return `${formatDevice(action.device)} uses ${action.count} of ${action.tag}`
    case 'upgrade':
      return `${formatDevice(action.device)} is upgraded to ${action.version}`
    case 'change-transport':
      return `${formatDevice(action.device)} is switched to the transport ${action.transport}`
    case 'reservation-request':
      return `${formatDevice(action.device)} creates a reservation request code`
    case 'reservation-cancel':
      return `${formatDevice(action.device)} cancels its reservation request`
    case 'reserve':
      return `${action.count} of ${action.tag} are reserved for ${formatDevice(action.device)}`
    case 'reservation-update':
      return `the reservation of ${formatDevice(action.device)} is changed to ${action.count} of ${action.tag}`
    case 'reservation-install':
      return `the newest authorization file is taken to ${formatDevice(action.device)}`
    case 'reservation-discard':
      return `${formatDevice(action.device)} discards an authorization file`
    case 'reservation-return':
      return `${formatDevice(action.device)} creates a return code`
    case 'reservation-take-back':
      return `the return code of ${formatDevice(action.device)} is entered at the authority`
    case 'power-cut':
      return `${formatDevice(action.device)} will lose power at write ${action.after}, for ${formatDuration(action.off)}`
    case 'restart':
      return action.reboot
        ? `${formatDevice(action.device)} is shut down for ${formatDuration(action.off)}`
        : `the agent of ${formatDevice(action.device)} is restarted`
    case 'suspend':
      return `${formatDevice(action.device)} is suspended for ${formatDuration(action.for)}`
    case 'set-clock':
      return `the clock of ${formatDevice(action.device)} is set ${action.by < 0 ? 'back' : 'forward'} by ${formatDuration(action.by)}`
    case 'drift':
      return `the clock of ${formatDevice(action.device)} runs at ${action.rate.toFixed(6)} of the right rate`
    case 'full-disk':
      return `the disk of ${formatDevice(action.device)} is full for ${formatDuration(action.for)}`
    case 'keep-copy':
      return `the data directory of ${formatDevice(action.device)} is copied`
    case 'restore-copy':
      return `the data directory of ${formatDevice(action.device)} is restored from the copy`
    case 'cut-off':
      return `${formatDevice(action.device)} is disconnected for ${formatDuration(action.for)}`
    case 'degrade-network':
      return `the network of ${formatDevice(action.device)} is ${describeConditions(action)}`
    case 'satellite-cut-off':
      return `${formatAuthority(action.satellite)} is disconnected from its manager for ${formatDuration(action.for)}`
    case 'degrade-satellite-network':
      return `the network between ${formatAuthority(action.satellite)} and its manager is ${describeConditions(action)}`
    case 'synchronize':
      return `${formatAuthority(action.satellite)} is asked to synchronize`
    case 'give-licenses':
      return `${action.quantity} of ${action.tag} are moved to ${formatAuthority(action.satellite)}`
    case 'fault':
      return `the fault ${action.fault} is injected for ${formatDevice(action.device)} ${action.times === 1 ? 'once' : `${action.times} times`}`
    case 'authority-power-cut':
      return `${formatAuthority(action.authority)} will lose power at write ${action.after}, for ${formatDuration(action.off)}`
    case 'authority-away':
      return `${formatAuthority(action.authority)} is unreachable for ${formatDuration(action.for)}`
    case 'authority-full-disk':
      return `the disk of ${formatAuthority(action.authority)} is full for ${formatDuration(action.for)}`
    case 'authority-set-clock':
      return `the clock of ${formatAuthority(action.authority)} is set ${action.by < 0 ? 'back' : 'forward'} by ${formatDuration(action.by)}`
    case 'order':
      return `${action.quantity} of ${action.tag} are ordered${action.days === null ? '' : `, for ${action.days} days`}`
    case 'new-token':
      return 'a registration token is created'
    case 'revoke-token':
      return 'the oldest registration token is revoked'
    case 'remove-instance':
      return `${formatDevice(action.device)} is removed at the authority`
    case 'transfer-instance':
      return `${formatDevice(action.device)} is moved to the other virtual account`
    case 'transfer-licenses':
      return `${action.quantity} of ${action.tag} are moved to the other virtual account`
    case 'rotate':
      return `the authority replaces its ${action.what === 'signer' ? 'answer signing key' : 'issuing CA'}`
  }
}

export const formatAuthority = (number: number): string =>
  number === 0 ? 'the authority' : `satellite ${number}`

const describeConditions = (conditions: LinkConditions): string =>
  `degraded for ${formatDuration(conditions.for)}: ${formatPercent(conditions.lost)} of requests and ${formatPercent(conditions.lostAnswers)} of answers lost, ${formatPercent(conditions.twice)} delivered twice, ${formatPercent(conditions.garbled)} garbled, ${formatPercent(conditions.replayed)} replayed, delays up to ${formatDuration(conditions.slow)}`

const formatPercent = (share: number): string => `${Math.round(share * 100)} %`
