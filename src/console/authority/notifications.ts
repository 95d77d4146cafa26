import type { Authority } from '../../authority/authority.ts'
import { LicensingError, notFoundError } from '../../core/errors.ts'
import { isAdministering } from '../../http/user-roles.ts'
import { type Caller, implement } from '../../http/procedures.ts'
import { notificationContract } from './notifications-contract.ts'
import { effectiveScope } from './scope.ts'

/** Returns the caller's own e-mail address: the user name, where that is one. */
const getOwnAddress = ({ name }: Caller): string | null => (/^[^@]+@[^@]+$/.test(name) ? name : null)

const canNotify = (recipient: string, caller: Caller): boolean =>
  isAdministering(caller.role) || recipient === getOwnAddress(caller)

/** @throws LicensingError PERMISSION_DENIED */
function assertCanNotify(recipient: string, caller: Caller): void {
  if (canNotify(recipient, caller)) return
  throw new LicensingError(
    'PERMISSION_DENIED',
    `${caller.name} has no permission to set notifications for others.`,
  )
}

export const createNotificationProcedures = (authority: Authority) =>
  implement(notificationContract, {
    notifications: async (wanted, caller) => {
      const list = await authority.operations.notifications.list(effectiveScope(wanted, caller))
      return {
        notifications: list.filter(({ recipient }) => canNotify(recipient, caller)),
        own: getOwnAddress(caller),
      }
    },
    'notification-set': ({ account, virtualAccount, ...wanted }, caller) => {
      assertCanNotify(wanted.recipient, caller)
      const own = wanted.recipient === getOwnAddress(caller)
      return authority.operations.notifications.set(
        { ...wanted, own },
        effectiveScope({ account, virtualAccount }, caller),
      )
    },
    'notification-remove': async (wanted, caller) => {
      const where = effectiveScope(wanted, caller)
      const found = (await authority.operations.notifications.list(where)).find(({ id }) => id === wanted.id)
      // A notification without access is reported as missing.
      if (!found)
        throw notFoundError('notification', `There is no notification ${JSON.stringify(wanted.id)}.`)
      assertCanNotify(found.recipient, caller)
      await authority.operations.notifications.remove(wanted.id, where)
      return {}
    },
  })
