import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPrograms, type Programs } from '../support/programs.ts'
import { runCommand } from '../support/rest.ts'

// Runs an unmodified third-party client over verified TLS against a served authority.

interface Serving {
  listening: string
}

let programs: Programs
let serving: Serving
let client: { clientId: string; clientSecret: string }
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  client = await programs.good(programs.authority(['api-client', 'create', '--json']))
  const { line } = await programs.serve('smart-authority', [
    ...['--data-dir', join(programs.directory, 'authority'), '--json', 'serve', '--listen', '127.0.0.1:0'],
  ])
  serving = JSON.parse(line) as Serving
})
afterAll(() => programs.close())

describe('centreon-plugins of Debian', () => {
  const monitor = (mode: string, ...more: string[]) =>
    runCommand('perl', [
      '/usr/lib/nagios/plugins/centreon_plugins.pl',
      '--plugin=apps::cisco::ssms::restapi::plugin',
      ...[
        `--mode=${mode}`,
        '--hostname=localhost',
        `--port=${new URL(serving.listening).port}`,
        '--timeout=20',
      ],
      ...[`--client-id=${client.clientId}`, `--client-secret=${client.clientSecret}`],
      ...['--account=acme.example', `--statefile-dir=${programs.directory}`],
      `--ssl-opt=SSL_ca_file => '${join(programs.directory, 'root.pem')}'`,
      ...more,
    ])

  it('reports OK for a pool in compliance, and CRITICAL for a shortage and its alert', async () => {
    const { agent, good, token, order, initDevice } = programs
    await order(10)
    await initDevice(serving.listening)
    await good(agent(['register', await token(), '--json']))
    await good(agent(['usage', 'set', 'HOST', '4', '--json']))
    await good(agent(['renew', 'authorization', '--json']))
    const content = await monitor('licenses')
    expect([content.code, content.stdout]).toEqual([
      0,
      expect.stringContaining("status: 'In Compliance', usage total: 10 used: 4 (40.00%) free: 6 (60.00%)"),
    ])
    const quiet = await monitor('alerts', '--critical-alerts-major=0')
    expect([quiet.code, quiet.stdout]).toEqual([0, expect.stringContaining('alerts minor: 0, major: 0')])

    await good(agent(['usage', 'set', 'HOST', '12', '--json']))
    await agent(['renew', 'authorization', '--json'])
    const alarmed = await monitor('licenses')
    expect([alarmed.code, alarmed.stdout]).toEqual([
      2,
      expect.stringContaining("status: 'Out Of Compliance'"),
    ])
    const alert = await monitor('alerts', '--critical-alerts-major=0', '--display-alerts', '--verbose')
    expect([alert.code, alert.stdout]).toEqual([2, expect.stringContaining('major: 1')])
    expect(alert.stdout).toContain(
      '[message type: Insufficient Licenses] [severity: major] [source: Default]',
    )
  })

  it('gets no data with a revoked API client', async () => {
    await programs.good(programs.authority(['api-client', 'revoke', client.clientId, '--json']))
    const { code, stdout } = await monitor('licenses')
    expect([code, stdout]).toEqual([3, expect.stringContaining('401')])
  })
})
