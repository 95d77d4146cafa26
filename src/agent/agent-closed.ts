import { LicensingError } from '../core/errors.ts'

export const agentClosedError = (): LicensingError =>
  new LicensingError('AGENT_CLOSED', 'The agent was closed.')
