import { alertContract } from './alerts-contract.ts'
import { eventContract } from './events-contract.ts'
import { instanceContract } from './instances-contract.ts'
import { licenseContract } from './licenses-contract.ts'
import { mailContract } from './mail-contract.ts'
import { notificationContract } from './notifications-contract.ts'
import { orderContract } from './orders-contract.ts'
import { overviewContract } from './overview-contract.ts'
import { reportContract } from './reports-contract.ts'
import { reservationContract } from './reservations-contract.ts'
import { satelliteContract } from './satellites-contract.ts'
import { syncContract } from './sync-contract.ts'
import { tokenContract } from './tokens-contract.ts'
import { virtualAccountContract } from './virtual-accounts-contract.ts'

/** The API of an authority's console. A summary names the role of a call that only a manager or a satellite has. */
export const authorityContract = {
  ...overviewContract,
  ...virtualAccountContract,
  ...tokenContract,
  ...licenseContract,
  ...instanceContract,
  ...eventContract,
  ...alertContract,
  ...notificationContract,
  ...reportContract,
  ...reservationContract,
  ...orderContract,
  ...satelliteContract,
  ...syncContract,
  ...mailContract,
}
