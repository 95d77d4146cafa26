import { LicensingError } from '../../core/errors.ts'

/** Connects to the daemon. @throws LicensingError DAEMON_UNREACHABLE */
export async function requireDaemon(dataDir: string) {
  const { connectToDaemon } = await import('../../agent/control.ts')
  const socket = await connectToDaemon(dataDir)
  if (socket) return socket
  throw new LicensingError('DAEMON_UNREACHABLE', 'No daemon is running on this data directory.', {
    remedy: 'Start one with `smart-agent run`.',
  })
}

/** Creates the error for a daemon that has ended its connection. */
export const createDaemonStoppedError = () =>
  new LicensingError('DAEMON_UNREACHABLE', 'The daemon has stopped.', {
    remedy: 'Start it again with `smart-agent run`.',
  })
