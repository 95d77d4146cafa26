import { duration } from '../../src/core/time.ts'
import type { Deed, Weather } from './plan.ts'

const boxOf = (number: number): string => `box ${number + 1}`

/** A deed as people tell it. */
export function deedInWords(deed: Deed): string {
  switch (deed.kind) {
    case 'register':
      return `${boxOf(deed.box)} is registered with token ${deed.token + 1}${deed.force ? ', by force' : ''}`
    case 'deregister':
      return `${boxOf(deed.box)} is deregistered`
    case 'renew-registration':
      return `${boxOf(deed.box)} is told to renew its registration`
    case 'renew-authorization':
      return `${boxOf(deed.box)} is told to renew its authorization`
    case 'use':
      return `${boxOf(deed.box)} uses ${deed.count} of ${deed.tag}`
    case 'upgrade':
      return `${boxOf(deed.box)} is upgraded to ${deed.version}`
    case 'change-road':
      return `${boxOf(deed.box)} is given the transport ${deed.road}`
    case 'reservation-request':
      return `${boxOf(deed.box)} makes a reservation request code`
    case 'reservation-cancel':
      return `${boxOf(deed.box)} gives its reservation request up`
    case 'reserve':
      return `${deed.count} of HOST are reserved for ${boxOf(deed.box)}`
    case 'reservation-update':
      return `the reservation of ${boxOf(deed.box)} is changed to ${deed.count} of HOST`
    case 'reservation-install':
      return `the newest authorization file is carried to ${boxOf(deed.box)}`
    case 'reservation-discard':
      return `${boxOf(deed.box)} gives an authorization file back without installing it`
    case 'reservation-return':
      return `${boxOf(deed.box)} makes a return code`
    case 'reservation-take-back':
      return `the return code of ${boxOf(deed.box)} is entered at the authority`
    case 'power-cut':
      return `${boxOf(deed.box)} is about to lose power: at write ${deed.after}, for ${duration(deed.off)}`
    case 'restart':
      return deed.reboot
        ? `${boxOf(deed.box)} is shut down for ${duration(deed.off)}`
        : `the agent of ${boxOf(deed.box)} is restarted`
    case 'suspend':
      return `${boxOf(deed.box)} is suspended for ${duration(deed.for)}`
    case 'set-clock':
      return `the clock of ${boxOf(deed.box)} is set ${deed.by < 0 ? 'back' : 'forward'} by ${duration(deed.by)}`
    case 'drift':
      return `the clock of ${boxOf(deed.box)} runs at ${deed.rate.toFixed(6)} of the right rate`
    case 'full-disk':
      return `the disk of ${boxOf(deed.box)} is full for ${duration(deed.for)}`
    case 'keep-copy':
      return `the data directory of ${boxOf(deed.box)} is copied`
    case 'restore-copy':
      return `the copied data directory of ${boxOf(deed.box)} is put back`
    case 'cut-off':
      return `${boxOf(deed.box)} is cut off for ${duration(deed.for)}`
    case 'weather':
      return `the network of ${boxOf(deed.box)} is ${weatherInWords(deed)}`
    case 'satellite-cut-off':
      return `${authorityOf(deed.satellite)} is cut off from its manager for ${duration(deed.for)}`
    case 'satellite-weather':
      return `the network between ${authorityOf(deed.satellite)} and its manager is ${weatherInWords(deed)}`
    case 'synchronise':
      return `${authorityOf(deed.satellite)} is told to synchronise`
    case 'give-licenses':
      return `${deed.quantity} of ${deed.tag} are moved to ${authorityOf(deed.satellite)}`
    case 'fault':
      return `the fault ${deed.fault} meets ${boxOf(deed.box)} ${deed.times === 1 ? 'once' : `${deed.times} times`}`
    case 'authority-power-cut':
      return `${authorityOf(deed.authority)} is about to lose power: at write ${deed.after}, for ${duration(deed.off)}`
    case 'authority-away':
      return `nobody reaches ${authorityOf(deed.authority)} for ${duration(deed.for)}`
    case 'authority-full-disk':
      return `the disk of ${authorityOf(deed.authority)} is full for ${duration(deed.for)}`
    case 'authority-set-clock':
      return `the clock of ${authorityOf(deed.authority)} is set ${deed.by < 0 ? 'back' : 'forward'} by ${duration(deed.by)}`
    case 'order':
      return `${deed.quantity} of ${deed.tag} are bought${deed.days === null ? '' : `, for ${deed.days} days`}`
    case 'new-token':
      return 'a registration token is made'
    case 'revoke-token':
      return 'the oldest registration token is revoked'
    case 'remove-instance':
      return `${boxOf(deed.box)} is removed at the authority`
    case 'transfer-instance':
      return `${boxOf(deed.box)} is moved to the other virtual account`
    case 'transfer-licenses':
      return `${deed.quantity} of ${deed.tag} are moved to the other virtual account`
    case 'rotate':
      return `the authority takes another ${deed.what === 'signer' ? 'key for its answers' : 'issuing CA'}`
  }
}

export const authorityOf = (number: number): string =>
  number === 0 ? 'the authority' : `satellite ${number}`

const weatherInWords = (weather: Weather): string =>
  `bad for ${duration(weather.for)}: ${percent(weather.lost)} of requests and ${percent(weather.lostAnswers)} of answers lost, ${percent(weather.twice)} twice, ${percent(weather.garbled)} garbled, ${percent(weather.replayed)} replayed, up to ${duration(weather.slow)} slow`

const percent = (share: number): string => `${Math.round(share * 100)} %`
