import { connectionContract } from './connection-contract.ts'
import { hostContract } from './hosts-contract.ts'
import { inspectionContract } from './inspection-contract.ts'
import { registrationContract } from './registration-contract.ts'
import { reservationContract } from './reservation-contract.ts'
import { statusContract } from './status-contract.ts'
import { systemContract } from './system-contract.ts'
import { usageContract } from './usage-contract.ts'

/** The API of a device's console. */
export const deviceContract = {
  ...statusContract,
  ...inspectionContract,
  ...connectionContract,
  ...registrationContract,
  ...reservationContract,
  ...hostContract,
  ...systemContract,
  ...usageContract,
}
