#!/usr/bin/env node
import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { createAgentCli } from './agent/agent-cli.ts'
import { createAllowsCommand } from './agent/allows.ts'
import { createDeregisterCommand } from './agent/deregister.ts'
import { createEventsCommand } from './agent/events.ts'
import { createHostCommand } from './agent/host.ts'
import { createInitCommand } from './agent/init.ts'
import { createInspectCommand } from './agent/inspect.ts'
import { createMachineCommand } from './agent/machine.ts'
import { createMeetingCommand } from './agent/meeting.ts'
import { createProfileCommand } from './agent/profile.ts'
import { createRegisterCommand } from './agent/register.ts'
import { createRenewCommand } from './agent/renew.ts'
import { createReservationCommand } from './agent/reservation.ts'
import { createRunCommand } from './agent/run.ts'
import { createShowCommand } from './agent/show.ts'
import { createStatusCommand } from './agent/status.ts'
import { createSystemCommand } from './agent/system.ts'
import { createTransportCommand } from './agent/transport.ts'
import { createTrustCommand } from './agent/trust.ts'
import { createUpgradeCommand } from './agent/upgrade.ts'
import { createUsageCommand } from './agent/usage.ts'
import { createSupportCommand } from './agent/support.ts'
import { createWatchCommand } from './agent/watch.ts'
import { createWhatIfCommand } from './agent/what-if.ts'
import { createWhyCommand } from './agent/why.ts'
import { createCommand } from './create-command.ts'
import { createCompletionCommand } from './completion.ts'
import { runCli } from './run-cli.ts'
import { createUserCommand } from './user.ts'

process.umask(0o077)
// Hides the arguments from the process list, because one of them may be a token.
process.title = 'smart-agent'

const program = createCommand('smart-agent')
  .description('The licensing agent of this device.')
  .option(
    '--data-dir <dir>',
    'directory of the agent state (default: $SMART_AGENT_DATA_DIR or /var/lib/smart-agent)',
  )
  .option('--json', 'print one JSON document on standard output')
  .version(VERSION)

const cli = createAgentCli(program)
program
  .addCommand(createInitCommand(cli))
  .addCommand(createRunCommand(cli))
  .addCommand(createStatusCommand(cli))
  .addCommand(createShowCommand(cli))
  .addCommand(createTransportCommand(cli))
  .addCommand(createTrustCommand(cli))
  .addCommand(createRegisterCommand('register', cli))
  .addCommand(createRegisterCommand('reregister', cli))
  .addCommand(createDeregisterCommand(cli))
  .addCommand(createRenewCommand(cli))
  .addCommand(createReservationCommand(cli))
  .addCommand(createHostCommand(cli))
  .addCommand(createMeetingCommand(cli))
  .addCommand(createUsageCommand(cli))
  .addCommand(createSystemCommand(cli))
  .addCommand(createUpgradeCommand(cli))
  .addCommand(createProfileCommand(cli))
  .addCommand(createEventsCommand(cli))
  .addCommand(createWhyCommand(cli))
  .addCommand(createAllowsCommand(cli))
  .addCommand(createMachineCommand(cli))
  .addCommand(createInspectCommand(cli))
  .addCommand(createWhatIfCommand(cli))
  .addCommand(createSupportCommand(cli))
  .addCommand(createWatchCommand(cli))
  .addCommand(
    createUserCommand({
      json: cli.json,
      supportsAccountScope: false,
      withAuth: async (work) => {
        const { createDeviceAuth } = await import('../console/device-console.ts')
        const { SmartAgent } = await import('../index.ts')
        if (!SmartAgent.exists(cli.dataDir()))
          throw new LicensingError('DATA_DIR_MISSING', `The data directory ${cli.dataDir()} holds no agent.`)
        return work(createDeviceAuth(cli.dataDir()))
      },
    }),
  )
  .addCommand(createCompletionCommand(program))

await runCli(program)
